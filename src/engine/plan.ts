// Plans: what Nerve expects of a start, written down when a job is held or launched. quote, status and explain show them.

import { knownPrice, type Outlook, type Priced, type Window } from './objective.ts';
import type { Plan } from './record.ts';

const HOUR_MS = 3_600_000;

export interface PlanContext {
  readonly nowMs: number;
  readonly latestStartMs: number;
  /** Work plus one start. */
  readonly lengthMs: number;
  readonly outlook: Outlook;
  /** The best spot that may be taken now, if any. */
  readonly spotNow: Priced | undefined;
}

/** Starting now on `choice`. */
export function planNow(context: PlanContext, choice: Priced): Plan {
  const { offering } = choice;
  const window =
    offering.capacityType === 'spot' ? context.outlook.windowIn(offering.zone, offering.instanceType, context.nowMs, context.lengthMs) : null;
  const grams = window?.carbonGrams ?? carbonOf(context, choice);
  return {
    startMs: context.nowMs,
    latestStartMs: context.latestStartMs,
    zone: offering.zone,
    instanceType: offering.instanceType,
    capacityType: offering.capacityType,
    expectedCostUsd: window?.costUsd ?? hourly(context, choice),
    expectedCarbonGrams: grams,
    costNowUsd: window?.costUsd ?? hourly(context, choice),
    carbonNowGrams: grams,
    wakeAtOrBelowUsdPerHour: null,
  };
}

/** Waiting for `window`. The threshold is the window's own mean: what is on offer at that price need not be waited for. */
export function planWindow(context: PlanContext, window: Window): Plan {
  const now = nowIn(context);
  return {
    startMs: window.startMs,
    latestStartMs: context.latestStartMs,
    zone: window.zone,
    instanceType: window.instanceType,
    capacityType: 'spot',
    expectedCostUsd: window.costUsd,
    expectedCarbonGrams: window.carbonGrams,
    costNowUsd: now?.costUsd ?? null,
    carbonNowGrams: now?.carbonGrams ?? null,
    wakeAtOrBelowUsdPerHour: window.objectiveUsd / (context.lengthMs / HOUR_MS),
  };
}

/** Waiting for anything acceptable; on demand at the latest start. */
export function planDry(context: PlanContext): Plan {
  const fallback = context.outlook.onDemand[0];
  const now = nowIn(context);
  return {
    startMs: context.latestStartMs,
    latestStartMs: context.latestStartMs,
    zone: fallback?.offering.zone ?? null,
    instanceType: fallback?.offering.instanceType ?? null,
    capacityType: fallback === undefined ? null : 'on-demand',
    expectedCostUsd: fallback === undefined ? null : hourly(context, fallback),
    expectedCarbonGrams: fallback === undefined ? null : carbonOf(context, fallback),
    costNowUsd: now?.costUsd ?? null,
    carbonNowGrams: now?.carbonGrams ?? null,
    wakeAtOrBelowUsdPerHour: Number.MAX_VALUE,
  };
}

function nowIn(context: PlanContext): Window | null {
  const first = context.spotNow?.offering;
  return first === undefined ? null : context.outlook.windowIn(first.zone, first.instanceType, context.nowMs, context.lengthMs);
}

function hourly(context: PlanContext, choice: Priced): number | null {
  const usdPerHour = knownPrice(choice.offering);
  return usdPerHour === null ? null : (usdPerHour * context.lengthMs) / HOUR_MS;
}

function carbonOf(context: PlanContext, choice: Priced): number {
  const any = context.outlook.bestFrom(context.nowMs, context.lengthMs);
  return any?.carbonGrams ?? choice.offering.facilityPowerKw * context.outlook.gramsPerKwhNow * (context.lengthMs / HOUR_MS);
}
