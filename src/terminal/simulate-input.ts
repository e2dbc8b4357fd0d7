// Where a simulation's market and jobs come from: a file, a seed, or what this user has run before.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { NerveError } from '../engine/errors.ts';
import type { JobReport } from '../engine/report.ts';
import { chanceOf } from '../simulate/chance.ts';
import { coarsened, endOf, type MarketTrace } from '../simulate/market-trace.ts';
import { readGrid, readMarket } from '../simulate/recorded.ts';
import type { SimulatedJob } from '../simulate/run.ts';
import { syntheticTrace } from '../simulate/synthetic.ts';
import { withSession } from './with-session.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LEAST_TICK_MS = 10 * 60_000;
/** A Monday; the synthetic market has no other calendar. */
const SYNTHETIC_START_MS = Date.UTC(2026, 0, 5);

export interface MarketFlags {
  readonly trace?: string | undefined;
  readonly grid?: string | undefined;
  readonly days: number;
  readonly seed: string;
}

/** A synthetic market covers the jobs that are given. */
export async function marketFor(flags: MarketFlags, jobs: readonly SimulatedJob[]): Promise<MarketTrace> {
  if (flags.trace !== undefined) {
    const grid = flags.grid === undefined ? null : readGrid(textOf(flags.grid), basename(flags.grid));
    return coarsened(readMarket(textOf(flags.trace), basename(flags.trace), grid), LEAST_TICK_MS);
  }
  if (jobs.length === 0) return syntheticTrace(flags.seed, SYNTHETIC_START_MS, flags.days);
  const startMs = Math.floor(Math.min(...jobs.map((job) => job.submitMs)) / DAY_MS) * DAY_MS;
  const days = Math.ceil((Math.max(...jobs.map((job) => job.deadlineMs)) - startMs) / DAY_MS);
  if (days > 400) throw new NerveError('usage', `These jobs span ${days} days; 400 is the most.`, { hint: 'Replay fewer: --past 50.' });
  return syntheticTrace(flags.seed, startMs, days);
}

function textOf(path: string): string {
  try {
    const data = readFileSync(path);
    return (data[0] === 0x1f && data[1] === 0x8b ? gunzipSync(data) : data).toString('utf8');
  } catch (cause) {
    throw new NerveError('usage', `Cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      cause,
      hint: 'Check the path.',
    });
  }
}

/** Jobs of one to eight hours with two to twenty-two hours of slack, anywhere in the trace. */
export function sampleJobs(trace: MarketTrace, seed: string, count: number): readonly SimulatedJob[] {
  const chance = chanceOf(`${seed} jobs`);
  const lengthMs = endOf(trace) - trace.startMs;
  return Array.from({ length: count }, (_, i) => {
    const workMs = (1 + Math.floor(chance() * 8)) * HOUR_MS;
    const withinMs = Math.min(workMs + (2 + chance() * 20) * HOUR_MS, lengthMs - trace.tickMs);
    const submitMs = trace.startMs + Math.floor((chance() * (lengthMs - withinMs)) / trace.tickMs) * trace.tickMs;
    return { name: `sample ${i + 1}`, submitMs, deadlineMs: submitMs + withinMs, workMs, carbonPriceUsdPerTonne: 0 };
  });
}

export interface Past {
  readonly jobs: readonly SimulatedJob[];
  /** How many were left out and why, as a sentence; null: none. */
  readonly leftOut: string | null;
}

/** @throws NerveError `not-found` when nothing has finished yet. */
export async function pastJobs(target: string | undefined, count: number): Promise<Past> {
  const reports = await withSession({ target }, async ({ queue }) =>
    Promise.all((await queue.records.finishedIds(count)).map((jobId) => queue.records.reportOf(jobId))),
  );
  const past = replayable(reports);
  if (past.jobs.length === 0)
    throw new NerveError(
      'not-found',
      reports.length === 0 ? 'No job of yours has ended yet, so there is none to replay.' : `There is none to replay: ${past.leftOut ?? ''}`,
      { hint: 'Try --sample 100.' },
    );
  return past;
}

/** As long as they really computed. @internal */
export function replayable(reports: readonly (JobReport | null)[]): Past {
  const why: readonly Why[] = reports.flatMap((report) => reasonToLeaveOut(report) ?? []);
  const said = [...Map.groupBy(why, (reason) => reason)].map(([reason, those]) => WHY[reason](those.length));
  const jobs = reports.flatMap((report) =>
    report === null || reasonToLeaveOut(report) !== null
      ? []
      : [
          {
            name: `${report.jobId} ${report.name}`,
            submitMs: report.submittedAtMs,
            deadlineMs: Math.max(report.deadlineMs, report.submittedAtMs + report.usefulWorkMs),
            workMs: report.usefulWorkMs,
            carbonPriceUsdPerTonne: 0,
          },
        ],
  );
  const of =
    reports.length === 1
      ? 'The one job that ended last is'
      : `${why.length} of the ${reports.length} jobs that ended last ${why.length === 1 ? 'is' : 'are'}`;
  return { jobs, leftOut: why.length === 0 ? null : `${of} left out: ${said.join(', ')}.` };
}

type Why = 'failed' | 'cancelled' | 'empty' | 'unknown';

const WHY: Readonly<Record<Why, (n: number) => string>> = {
  failed: (n) => `${n} failed`,
  cancelled: (n) => `${n} ${n === 1 ? 'was' : 'were'} cancelled`,
  empty: (n) => `${n} computed nothing that is known`,
  unknown: (n) => `${n} ${n === 1 ? 'has' : 'have'} no report any more`,
};

function reasonToLeaveOut(report: JobReport | null): Why | null {
  if (report === null || report.result === null) return 'unknown';
  if (report.result !== 'succeeded') return report.result;
  return report.usefulWorkMs <= 0 ? 'empty' : null;
}
