// `decide` over all of them, as the worker calls it: from the record, which it folds. Seconds of one core, so that others on the
// machine do not count.

import { decide } from '../../src/engine/decide.ts';
import type { Decision } from '../../src/engine/decision.ts';
import type { JobRecord } from '../../src/engine/record.ts';
import type { EngineSettings, MarketView } from '../../src/engine/snapshot.ts';
import { type Figure, median, shown } from './figures.ts';
import { EVENING_MS } from './jobs.ts';

const MINUTE_MS = 60_000;

export interface Looked {
  readonly decisions: readonly Decision[];
  /** Of one core; the median of the runs. */
  readonly coreSeconds: number;
  readonly note: string;
}

/** A market view of its own each time: what the engine remembers of one is part of the cost. */
export function lookAtAll(records: readonly JobRecord[], market: MarketView, settings: EngineSettings, afterMs: number, runs: number): Looked {
  const jobs = records.map((record) => ({ record, attempts: [] }));
  const coreSeconds: number[] = [];
  const wallSeconds: number[] = [];
  let decisions: readonly Decision[] = [];
  for (let run = 0; run < runs; run++) {
    const view = { ...market };
    const before = process.threadCpuUsage();
    const sinceMs = performance.now();
    decisions = decide({ nowMs: EVENING_MS + afterMs, market: view, jobs, settings });
    wallSeconds.push((performance.now() - sinceMs) / 1000);
    const { user, system } = process.threadCpuUsage(before);
    coreSeconds.push((user + system) / 1e6);
  }
  const note = `each run: ${coreSeconds.map(shown).join(', ')}; by the clock ${wallSeconds.map(shown).join(', ')}`;
  return { decisions, coreSeconds: median(coreSeconds), note };
}

const ALONE_JOBS = 2000;

/** Each job at an instant of its own, as alarms go off: nothing is shared with the one before. Core microseconds of one look. */
export function lookOneByOne(records: readonly JobRecord[], market: MarketView, settings: EngineSettings): Figure {
  const before = process.threadCpuUsage();
  const some = records.slice(0, ALONE_JOBS);
  some.forEach((record, i) => decide({ nowMs: EVENING_MS + i, market, jobs: [{ record, attempts: [] }], settings }));
  const { user, system } = process.threadCpuUsage(before);
  const note = `first looks at ${shown(some.length)} jobs, a millisecond apart`;
  return {
    name: 'decideAloneMicroseconds',
    what: '`decide` for one job at an instant of its own',
    value: (user + system) / some.length,
    unit: 'us',
    note,
  };
}

export const LATER_MS = MINUTE_MS;

export function figure(name: string, what: string, { coreSeconds, note }: Looked): Figure {
  return { name, what, value: coreSeconds, unit: 's', note };
}

/** The record of each job after the worker wrote down that it holds it. */
export function held(records: readonly JobRecord[], decisions: readonly Decision[]): readonly JobRecord[] {
  return records.map((record, i) => {
    const decision = decisions[i];
    if (decision?.do !== 'hold') throw new Error(`Job ${record.jobId} is not held: ${decision?.do ?? 'nothing'} was decided.`);
    const { why, reason, plan } = decision;
    return { ...record, version: record.version + 1, events: [...record.events, { type: 'planned', atMs: EVENING_MS, why, reason, plan }] };
  });
}
