// The policy where it is known when spot was there: at every look, the expected cost of each thing that may be done now
// (wait, on demand, each pool of spot) is this look's cost plus what the table expects of the rest; the cheapest is proposed.
//
// A decision depends on its snapshot and on nothing else. Tables are shared and remembered, so what they are made for is
// rounded (times left to whole chunks, rates, prices and slack to a grid) and named: the same name is the same table.

import type { Priced } from '../objective.ts';
import { bestWindow } from './cheapest-now.ts';
import { type Choice, type Situation, weigh } from './choose.ts';
import { learnOnce } from './learn.ts';
import { type Pool, poolsOf } from './pools.ts';
import type { Policy, PolicyContext, Proposal } from './proposal.ts';
import { shiftedChoice } from './shifted.ts';
import { tableFor } from './tables.ts';

const HOUR_MS = 3_600_000;

export const semiMarkov: Policy = (context) => {
  const situation = situationOf(context);
  const shifted = situation.pools.length === 0 ? shiftedChoice(situation) : null;
  if (shifted !== null) return proposalOf(context, situation.pools, shifted);
  return proposalOf(context, situation.pools, weigh(situation, tableFor(situation)));
};

function situationOf(context: PolicyContext): Situation {
  const { settings, nowMs, at, market, spec } = context;
  const pools = poolsOf(context);
  const learned = learnOnce(
    market,
    pools.map((pool) => pool.history),
    nowMs,
  );
  const world = settings.ticks;
  // Between real clocks the deadline to plan with is the one that on demand must meet with everything in hand.
  const reserveMs = world === undefined ? settings.onDemandLeadMs + settings.sweepMs + settings.noticeMs + settings.marginMs : 0;
  const startHours = context.startOverheadMs / HOUR_MS;
  const startMaxHours = startHours * (world?.overheadFactorMax ?? 1);
  const deadlineMs = context.deadlineMs - reserveMs;
  return {
    pools: pools.map((pool, i) => ({ ...pool, learned: learned[i] ?? { up: false, ageHours: 1, lossFactor: 1, returnFactor: 1 } })),
    running: runningOn(context, pools),
    overheadLeftHours: at === null ? 0 : at.overheadLeftMs / HOUR_MS,
    nowMs,
    deadlineMs,
    hoursLeft: (deadlineMs - nowMs) / HOUR_MS,
    workHours: context.workMs / HOUR_MS / (world?.workRateMin ?? 1),
    lookHours: (world?.tickMs ?? Math.max(settings.sweepMs, HOUR_MS / 60)) / HOUR_MS,
    startHours: world === undefined || world.overheadFactorMax === 1 ? startHours : (startHours + startMaxHours) / 2,
    startMaxHours,
    launchFailureProbability: world?.launchFailureProbability ?? 0,
    drift: world === undefined ? 0 : world.workRateExpected / world.workRateMin - 1,
    onDemand: context.outlook.onDemand[0] ?? null,
    market,
    carbonUsdPerGram: spec.carbonPriceUsdPerTonne / 1e6,
    may: context.may,
  };
}

function runningOn({ at }: PolicyContext, pools: readonly Pool[]): Situation['running'] {
  if (at === null) return null;
  if (at.capacityType === 'on-demand') return 'on-demand';
  return pools.findIndex((pool) => pool.zone === at.zone && pool.instanceType === at.instanceType);
}

function proposalOf(context: PolicyContext, pools: Situation['pools'], choice: Choice): Proposal {
  if (choice === 'wait') return waitOf(context);
  if (choice === 'on-demand') return context.at?.capacityType === 'on-demand' ? { do: 'stay' } : { do: 'on-demand' };
  if (choice === 'stay') return { do: 'stay' };
  const first = pools[choice]?.offer;
  if (first === null || first === undefined) return { do: 'nothing-on-offer' };
  const others = context.spot.filter((offer) => offer.offering !== first.offering);
  return { do: 'spot', ranked: [first, ...others] satisfies readonly Priced[] };
}

function waitOf(context: PolicyContext): Proposal {
  const window = context.spot.length === 0 ? null : bestWindow(context);
  return window === null ? { do: 'nothing-on-offer' } : { do: 'wait', window, greener: context.spec.carbonPriceUsdPerTonne > 0 };
}
