// Builders for tests: a spec, a market, a record, with only what the test cares about named.

import type { CapacityType, JobSpec } from '../../src/engine/job.ts';
import { pendingAttempt } from '../../src/engine/pending.ts';
import type { JobEvent, JobRecord, Plan } from '../../src/engine/record.ts';
import type { NewJob } from '../../src/queue/bulk.ts';
import type { EngineSettings, MarketView, ObservedAttempt, Offering, Series } from '../../src/engine/snapshot.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
/** 2026-03-02T17:00:00Z, a Monday: 18:00 in Paris. */
export const NOW = Date.UTC(2026, 2, 2, 17);

export const SETTINGS: EngineSettings = {
  sweepMs: 30_000,
  noticeMs: 2 * MINUTE,
  onDemandLeadMs: 3 * MINUTE,
  startOverheadMs: 3 * MINUTE,
  maxUnsavedMs: MINUTE,
  marginMs: 2 * MINUTE,
  placementTimeoutMs: 2 * MINUTE,
  startTimeoutMs: 10 * MINUTE,
  maxMoves: 2,
  moveWindowMs: HOUR,
  minHoldSaving: 0.02,
  minMoveSaving: 0.1,
};

export function spec(over: Partial<JobSpec> = {}): JobSpec {
  return {
    id: 'j-test0001',
    name: 'test',
    submittedAtMs: NOW,
    deadlineMs: NOW + 14 * HOUR,
    workMs: 3 * HOUR,
    workSource: 'user',
    optimize: 'cost',
    carbonPriceUsdPerTonne: 0,
    maxPriceUsdPerHour: null,
    zones: null,
    instanceTypes: ['g4dn.xlarge'],
    retries: 3,
    checkpointUri: 'file:///tmp/none',
    program: { kind: 'process', command: ['true'], cwd: '/' },
    ...over,
  };
}

export function record(events: readonly JobEvent[] = [], of: JobSpec = spec()): JobRecord {
  const submitted: JobEvent = { type: 'submitted', atMs: of.submittedAtMs, spec: of, latestStartMs: of.deadlineMs - of.workMs, simulated: [] };
  return { jobId: of.id, version: events.length + 1, events: [submitted, ...events] };
}

/** `count` new jobs, `j-0` and on, submitted now by the wall clock, due in 14 hours. */
export function newJobs(count: number, atMs = Date.now()): readonly NewJob[] {
  return Array.from({ length: count }, (_, i) => {
    const of = spec({ id: `j-${i}`, submittedAtMs: atMs, deadlineMs: atMs + 14 * HOUR });
    const latestStartMs = of.deadlineMs - of.workMs - HOUR;
    return { jobId: of.id, events: [{ type: 'submitted', atMs, spec: of, latestStartMs, simulated: [] }], alarmAtMs: latestStartMs };
  });
}

export function offering(zone: string, capacityType: CapacityType, priceUsdPerHour: number, over: Partial<Offering> = {}): Offering {
  return { zone, instanceType: 'g4dn.xlarge', capacityType, priceUsdPerHour, pricedAtMs: NOW, available: true, facilityPowerKw: 0.0912, ...over };
}

/** Seven days of hourly values ending at `nowMs`, as a function of the hour of the day (UTC). */
function weekly(value: (hourUtc: number) => number, nowMs = NOW): Series {
  const startMs = Math.floor(nowMs / HOUR) * HOUR - 7 * 24 * HOUR;
  return { startMs, stepMs: HOUR, values: Array.from({ length: 7 * 24 }, (_, i) => value(Math.floor((startMs + i * HOUR) / HOUR) % 24)) };
}

export interface MarketOptions {
  readonly nowMs?: number;
  /** USD/h now per zone; null = no capacity. */
  readonly spot?: Readonly<Record<string, number | null>>;
  readonly onDemand?: number;
  readonly onDemandAvailable?: boolean;
  /** Hour of day (UTC) -> spot price, same for every zone. */
  readonly shape?: (hourUtc: number) => number;
  readonly carbonNow?: number;
  readonly carbonShape?: (hourUtc: number) => number;
}

export function market(options: MarketOptions = {}): MarketView {
  const spot = options.spot ?? { 'euw3-az1': 0.19, 'euw3-az2': 0.16, 'euw3-az3': 0.17 };
  const nowMs = options.nowMs ?? NOW;
  const zones = Object.keys(spot);
  const shape = options.shape;
  return {
    region: 'eu-west-3',
    simulated: [],
    offerings: zones.flatMap((zone) => [
      offering(zone, 'spot', spot[zone] ?? 0.2, { available: spot[zone] !== null }),
      offering(zone, 'on-demand', options.onDemand ?? 0.615, { available: options.onDemandAvailable ?? true }),
    ]),
    spotHistory: zones.map((zone) => ({ zone, instanceType: 'g4dn.xlarge', priceUsdPerHour: weekly(shape ?? (() => spot[zone] ?? 0.2), nowMs) })),
    carbon: {
      gramsPerKwh: options.carbonNow ?? 50,
      signal: 'average',
      source: 'test',
      readAtMs: nowMs,
      history: weekly(options.carbonShape ?? (() => options.carbonNow ?? 50), nowMs),
    },
  };
}

export function seen(attempt: number, over: Partial<ObservedAttempt> = {}): ObservedAttempt {
  const place = { zone: 'euw3-az2', instanceType: 'g4dn.xlarge', capacityType: 'spot', priceUsdPerHour: 0.16 } as const;
  const { priceUsdPerHour: _, ...where } = place;
  return {
    ...pendingAttempt({ name: `nerve-j-test0001-a${attempt}`, jobId: 'j-test0001', attempt }, place, NOW),
    phase: 'running',
    placedAtMs: NOW,
    node: { name: 'node-a', ...where, ready: true, silentSinceMs: null, interruption: null, rebalanceAtMs: null, cordonedBy: null },
    nodeName: 'node-a',
    ...over,
  };
}

const PLAN: Plan = {
  startMs: NOW,
  latestStartMs: NOW + 10 * HOUR,
  zone: 'euw3-az2',
  instanceType: 'g4dn.xlarge',
  capacityType: 'spot',
  expectedCostUsd: 0.5,
  expectedCarbonGrams: 10,
  costNowUsd: 0.5,
  carbonNowGrams: 10,
  wakeAtOrBelowUsdPerHour: null,
};

export const launched = (attempt: number, zone = 'euw3-az2', atMs = NOW): JobEvent => ({
  type: 'launched',
  atMs,
  attempt,
  zone,
  instanceType: 'g4dn.xlarge',
  capacityType: 'spot',
  priceUsdPerHour: 0.16,
  reason: 'cheapest-now',
  handover: null,
  plan: PLAN,
});
export const noticed = (attempt: number, atMs = NOW): JobEvent => ({
  type: 'noticed',
  atMs,
  attempt,
  action: 'terminate',
  endsAtMs: atMs + 2 * MINUTE,
});
export const ended = (attempt: number, atMs = NOW): JobEvent => ({
  type: 'ended',
  atMs,
  attempt,
  cause: 'interrupted',
  reason: 'interruption-notice',
  exitCode: null,
  usage: [],
  lostWorkMs: 0,
  progress: null,
  logTail: null,
});
