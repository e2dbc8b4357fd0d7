// What was measured, the ranges that it must stay in (bench/ranges.json, `queue`), and the table that is kept.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Figure {
  /** As the range is called; a figure without a range is only shown. */
  readonly name: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** How it came about: each run, or what else explains it. */
  readonly note: string;
}

type Ranges = Readonly<Record<string, readonly [number, number]>>;

export const rangesIn = (file: string): Ranges => (JSON.parse(readFileSync(file, 'utf8')) as { readonly queue: Ranges }).queue;

/** Every figure that is out of its range, and every range that nothing was measured for. */
export function outside(figures: readonly Figure[], ranges: Ranges): readonly string[] {
  return Object.entries(ranges).flatMap(([name, [low, high]]) => {
    const value = figures.find((figure) => figure.name === name)?.value;
    return value !== undefined && value >= low && value <= high ? [] : [`${name} is ${value ?? 'not measured'}, not in [${low}, ${high}]`];
  });
}

export function table(figures: readonly Figure[], ranges: Ranges): string {
  const rows = figures.map(({ name, what, value, unit, note }) => {
    const range = ranges[name];
    return `| ${what} | ${shown(value)} ${unit} | ${range === undefined ? '' : `${shown(range[0])} to ${shown(range[1])}`} | ${note} |`;
  });
  return ['| what | measured | allowed | note |', '|---|---|---|---|', ...rows].join('\n');
}

export function shown(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.abs(value) >= 100 ? 0 : 2 });
}

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Of sorted or unsorted values, the one that `share` of them do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Where and of what this was measured. Others on the same machine show in the load. */
export function machine(redisVersion: string): readonly string[] {
  const [cpu] = cpus();
  const git = (...args: readonly string[]): string => spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).stdout.trim();
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', ':/', ':!:/bench/results') === '' ? '' : ', with changes';
  return [
    `Machine: ${cpus().length} x ${cpu?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}; Node ${process.versions.node}, ${redisVersion}.`,
    `Load of the machine when it began: ${shown(loadavg()[0] ?? Number.NaN)}.`,
    `Commit: ${git('rev-parse', '--short=12', 'HEAD')}${changed}.`,
  ];
}
