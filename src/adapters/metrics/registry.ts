// Counters of this process, and all metrics as Prometheus reads them (text format 0.0.4). Some fifty lines instead of prom-client: decision 0006.

import { countsOf, METRICS, type MetricKind, type MetricName, type Sample } from '../../engine/metrics.ts';
import type { Log, Metrics } from '../../ports.ts';

/** Seconds; a notice lasts 120 s, so what lies above it was too slow. */
const BUCKETS = [0.5, 1, 2, 5, 10, 30, 60, 90, 120, 300];

export interface Registry extends Metrics {
  /** The page, with gauges that were looked up for it. */
  page(gauges: readonly Sample[]): string;
}

export function createRegistry(log: Log): Registry {
  const counters = new Map<string, Sample>();
  const durations: number[] = BUCKETS.map(() => 0);
  let [observed, observedSum] = [0, 0];

  const add = (sample: Sample): void => {
    if (METRICS[sample.name].type === 'histogram') {
      observed += 1;
      observedSum += sample.value;
      for (const [index, limit] of BUCKETS.entries()) if (sample.value <= limit) durations[index] = (durations[index] ?? 0) + 1;
      return;
    }
    const key = lineOf(sample.name, sample.labels, '');
    counters.set(key, { ...sample, value: (counters.get(key)?.value ?? 0) + sample.value });
  };
  for (const [name, kind] of table()) {
    if (kind.type !== 'counter') continue;
    const labels = Object.entries(kind.labels ?? {});
    if (labels.length === 0) add({ name, value: 0 });
    for (const [label, values] of labels) for (const value of values) add({ name, labels: { [label]: value }, value: 0 });
  }

  const histogram = (name: MetricName): readonly string[] => [
    ...BUCKETS.map((limit, index) => lineOf(name, { le: String(limit) }, '_bucket', durations[index])),
    lineOf(name, { le: '+Inf' }, '_bucket', observed),
    lineOf(name, {}, '_sum', observedSum),
    lineOf(name, {}, '_count', observed),
  ];

  return {
    appended: (before, events) => {
      try {
        for (const sample of countsOf(before, events)) add(sample);
      } catch (error) {
        // A count is never worth a job.
        log.warn({ jobId: before.jobId, err: error }, 'events could not be counted');
      }
    },
    refused: (what) => add({ name: 'nerve_refusals_total', labels: { what }, value: 1 }),
    page: (gauges) => {
      const samples = [...counters.values(), ...gauges];
      const families = table().map(([name, { type, help }]) => {
        const lines =
          type === 'histogram' ? histogram(name) : samples.filter((each) => each.name === name).map((s) => lineOf(name, s.labels, '', s.value));
        return lines.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`;
      });
      return families.join('');
    },
  };
}

const table = (): readonly [MetricName, MetricKind][] => Object.entries(METRICS) as [MetricName, MetricKind][];

const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');

function lineOf(name: MetricName, labels: Readonly<Record<string, string>> = {}, suffix: string, value?: number): string {
  const inside = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  const series = `${name}${suffix}${inside.length === 0 ? '' : `{${inside.join(',')}}`}`;
  return value === undefined ? series : `${series} ${value}`;
}
