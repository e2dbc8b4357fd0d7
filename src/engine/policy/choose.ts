// Expected cost of each thing that may be done at this look, exact for the time until the next one; the table has the rest.

import type { Priced } from '../objective.ts';
import type { MarketView } from '../snapshot.ts';
import type { LearnedPool } from './learn.ts';
import { expectedUsd, NOTHING_RUNS, ON_DEMAND_RUNS, type Outcomes, outcomesOf, spotRuns } from './lookup.ts';
import { phasesFor } from './phases.ts';
import type { Pool } from './pools.ts';
import type { Permits } from './proposal.ts';
import type { Table } from './table.ts';

/** Everything that a choice depends on, in hours and dollars. */
export interface Situation {
  readonly pools: readonly (Pool & { readonly learned: LearnedPool })[];
  /** The pool that it runs on, by index; -1 for one that is not among them. */
  readonly running: number | 'on-demand' | null;
  readonly overheadLeftHours: number;
  readonly nowMs: number;
  readonly deadlineMs: number;
  readonly hoursLeft: number;
  /** At the slowest announced speed. */
  readonly workHours: number;
  readonly lookHours: number;
  readonly startHours: number;
  readonly startMaxHours: number;
  readonly launchFailureProbability: number;
  readonly drift: number;
  readonly onDemand: Priced | null;
  readonly market: MarketView;
  readonly carbonUsdPerGram: number;
  readonly may: Permits;
}

export type Choice = number | 'on-demand' | 'wait' | 'stay';

/** Spot that has been there for this long is settled: waiting for better, while it may be taken, is not offered. */
const SETTLED_HOURS = 0.4;
/** A move from spot to spot must be to where it is cheaper by this much. */
const MOVE_GAIN = 0.03;

export function weigh(situation: Situation, { table, mayShift }: { readonly table: Table; readonly mayShift: boolean }): Choice {
  const { pools, running, may } = situation;
  const outcomes = outcomesOf(
    phasesFor(pools.length),
    pools.map((p) => p.learned),
    situation.lookHours,
  );
  const view: View = { situation, table, outcomes };
  let best: Choice = 'on-demand';
  let bestUsd = onDemandUsd(view);
  const waitUsd = expectedUsd(table, outcomes, NOTHING_RUNS, situation.hoursLeft - situation.lookHours, slackOf(situation) - situation.lookHours);
  const settled = pools.some((p, z) => p.learned.up && p.learned.ageHours > SETTLED_HOURS && (running === z ? may.staySpot : may.startSpot));
  if (may.wait && (mayShift || !settled) && waitUsd < bestUsd - 1e-9) {
    best = 'wait';
    bestUsd = waitUsd;
  }
  pools.forEach((pool, z) => {
    const stays = running === z;
    if (stays ? !may.staySpot : !may.startSpot || pool.offer === null || !worthMoving(situation, pool)) return;
    const runUsd = spotUsd(view, z, stays);
    const fails = stays ? 0 : situation.launchFailureProbability;
    const usd = (1 - fails) * runUsd + fails * waitUsd;
    if (usd < bestUsd - 1e-9) {
      best = stays ? 'stay' : z;
      bestUsd = usd;
    }
  });
  return best;
}

interface View {
  readonly situation: Situation;
  readonly table: Table;
  readonly outcomes: Outcomes;
}

/** Time in hand if on demand were asked for now and started at once. */
function slackOf({ hoursLeft, workHours }: Situation): number {
  return hoursLeft - workHours;
}

function worthMoving({ running, pools, may }: Situation, to: Pool): boolean {
  if (typeof running !== 'number' || !may.staySpot) return true;
  const here = pools[running];
  return here === undefined || to.usdPerHour <= here.usdPerHour * (1 - MOVE_GAIN);
}

/** Work and slack at the next look, when it runs from now with `overheadHours` of start ahead. */
function afterRunning(
  { situation }: View,
  overheadHours: number,
): { readonly workHours: number; readonly hoursLeft: number; readonly slackHours: number } {
  const hoursLeft = situation.hoursLeft - situation.lookHours;
  const done = Math.max(0, situation.lookHours - overheadHours) * (1 + situation.drift);
  const workHours = situation.workHours - done;
  return { workHours, hoursLeft, slackHours: hoursLeft - workHours };
}

function hourUsd(situation: Situation, usdPerHour: number, powerKw: number): number {
  return usdPerHour + powerKw * situation.market.carbon.gramsPerKwh * situation.carbonUsdPerGram;
}

function onDemandUsd(view: View): number {
  const { situation, table, outcomes } = view;
  const { onDemand, lookHours } = situation;
  const overhead = situation.running === 'on-demand' ? situation.overheadLeftHours : situation.startHours;
  const after = afterRunning(view, overhead);
  const now = onDemand === null ? 0 : hourUsd(situation, onDemand.offering.priceUsdPerHour, onDemand.offering.facilityPowerKw) * lookHours;
  if (after.workHours <= 1e-9) return now;
  return now + expectedUsd(table, outcomes, ON_DEMAND_RUNS, after.hoursLeft, after.slackHours - Math.max(0, overhead - lookHours));
}

function spotUsd(view: View, z: number, stays: boolean): number {
  const { situation, table, outcomes } = view;
  const pool = situation.pools[z];
  if (pool === undefined) return Infinity;
  const overhead = stays ? situation.overheadLeftHours : situation.startHours;
  const after = afterRunning(view, overhead);
  const now = hourUsd(situation, pool.usdPerHour, pool.powerKw) * situation.lookHours;
  if (after.workHours <= 1e-9) return now;
  const started = after.slackHours - Math.max(0, overhead - situation.lookHours);
  return (
    now +
    expectedUsd(table, outcomes, spotRuns(z), after.hoursLeft, started, { pool: z, changed: false }) +
    expectedUsd(table, outcomes, NOTHING_RUNS, after.hoursLeft, after.slackHours, { pool: z, changed: true })
  );
}
