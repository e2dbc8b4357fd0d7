// Replays jobs over a market with any policy. Each job lives in the same market and does not change it; totals are sums of the jobs'
// reports and nothing else.

import type { ForecastModels } from '../engine/forecaster/model.ts';
import { endOf, type MarketTrace } from './market-trace.ts';
import { driverOf, type PolicyName } from './policies.ts';
import { type Outcome, replay, type Trace } from './replay.ts';
import { sharedMarket } from './shared-market.ts';

export interface SimulatedJob {
  readonly name: string;
  readonly submitMs: number;
  readonly deadlineMs: number;
  readonly workMs: number;
  readonly carbonPriceUsdPerTonne: number;
}

export interface SimulatedReport {
  readonly name: string;
  readonly submittedAtMs: number;
  readonly deadlineMs: number;
  readonly finishedAtMs: number;
  readonly lateMs: number;
  readonly costUsd: number;
  readonly carbonGrams: number;
  readonly starts: number;
  readonly interruptions: number;
  readonly spotHours: number;
  readonly onDemandHours: number;
}

export interface SimulatedTotals {
  readonly jobs: number;
  readonly late: number;
  readonly latestMs: number;
  readonly costUsd: number;
  readonly carbonGrams: number;
  readonly starts: number;
  readonly interruptions: number;
  readonly spotHours: number;
  readonly onDemandHours: number;
}

export interface Simulated {
  readonly policy: PolicyName;
  readonly totals: SimulatedTotals;
  readonly jobs: readonly SimulatedReport[];
}

export interface SimulateOptions {
  readonly trace: MarketTrace;
  readonly jobs: readonly SimulatedJob[];
  readonly policies: readonly PolicyName[];
  readonly startOverheadMs: number;
  readonly models?: ForecastModels;
}

/** Jobs that the trace does not cover from submit to deadline. */
export function outside(trace: MarketTrace, jobs: readonly SimulatedJob[]): readonly SimulatedJob[] {
  return jobs.filter((job) => job.submitMs < trace.startMs || job.deadlineMs > endOf(trace));
}

export function simulate({ trace, jobs, policies, startOverheadMs, models = {} }: SimulateOptions): readonly Simulated[] {
  const marketAt = sharedMarket(trace, models);
  // In the order of time: what was learned of an hour is then still remembered when the next job comes to it.
  const inTime = [...jobs.keys()].sort((a, b) => (jobs[a]?.submitMs ?? 0) - (jobs[b]?.submitMs ?? 0));
  return policies.map((policy) => {
    const reports = new Array<SimulatedReport>(jobs.length);
    for (const id of inTime) {
      const job = jobs[id] as SimulatedJob;
      const { world, originMs } = worldOf(trace, job, id, startOverheadMs);
      reports[id] = reportOf(job, originMs, replay(world, driverOf(policy, world, { models, originMs, marketAt })));
    }
    return { policy, totals: totalsOf(reports), jobs: reports };
  });
}

/** From the first tick that begins after the job was submitted. */
function worldOf(trace: MarketTrace, job: SimulatedJob, id: number, startOverheadMs: number): { readonly world: Trace; readonly originMs: number } {
  const first = Math.max(0, Math.ceil((job.submitMs - trace.startMs) / trace.tickMs - 1e-9));
  const originMs = trace.startMs + first * trace.tickMs;
  const last = Math.min(trace.available.length, first + Math.ceil((job.deadlineMs - originMs) / trace.tickMs) + 1);
  const scenario = {
    id,
    hours: job.workMs / 3_600_000,
    deadlineHours: Math.max(0, job.deadlineMs - originMs) / 3_600_000,
    overheadSeconds: startOverheadMs / 1000,
    tickSeconds: trace.tickMs / 1000,
    zones: trace.zones,
    onDemandPrice: trace.onDemandUsdPerHour,
    carbon: { stepSeconds: trace.tickMs / 1000, kW: trace.facilityPowerKw, usdPerKg: job.carbonPriceUsdPerTonne / 1000, history: [] },
  };
  const chance = { launchFails: () => false, overheadFactor: () => 1, workRate: 1 };
  const cut = <T>(rows: readonly T[]): readonly T[] => rows.slice(first, last);
  return { world: { scenario, avail: cut(trace.available), price: cut(trace.usdPerHour), carbon: cut(trace.gramsPerKwh), chance }, originMs };
}

function reportOf(job: SimulatedJob, originMs: number, outcome: Outcome): SimulatedReport {
  return {
    name: job.name,
    submittedAtMs: job.submitMs,
    deadlineMs: job.deadlineMs,
    finishedAtMs: originMs + outcome.finishSeconds * 1000,
    lateMs: outcome.lateSeconds * 1000,
    costUsd: outcome.usd,
    carbonGrams: outcome.grams,
    starts: outcome.starts,
    interruptions: outcome.interruptions,
    spotHours: outcome.spotSeconds / 3600,
    onDemandHours: outcome.onDemandSeconds / 3600,
  };
}

function totalsOf(jobs: readonly SimulatedReport[]): SimulatedTotals {
  const sum = (of: (job: SimulatedReport) => number): number => jobs.reduce((total, job) => total + of(job), 0);
  return {
    jobs: jobs.length,
    late: jobs.filter((job) => job.lateMs > 0).length,
    latestMs: Math.max(0, ...jobs.map((job) => job.lateMs)),
    costUsd: sum((j) => j.costUsd),
    carbonGrams: sum((j) => j.carbonGrams),
    starts: sum((j) => j.starts),
    interruptions: sum((j) => j.interruptions),
    spotHours: sum((j) => j.spotHours),
    onDemandHours: sum((j) => j.onDemandHours),
  };
}
