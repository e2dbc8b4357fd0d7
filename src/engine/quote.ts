// What a submit would mean, before anything is written: feasible or not, when, where, for how much, and what a cap risks.

import type { Decision } from './decision.ts';
import { decideJob } from './decide.ts';
import { fold } from './fold.ts';
import type { JobSpec } from './job.ts';
import { outlook } from './objective.ts';
import { type PlanContext, planDry } from './plan.ts';
import type { Plan } from './record.ts';
import type { Reason } from './reasons.ts';
import { latestStartMs, onDemandNeedMs } from './slack.ts';
import type { EngineSettings, MarketView } from './snapshot.ts';

export interface Quote {
  readonly feasible: boolean;
  /** How much earlier it should have been submitted; 0 if feasible. */
  readonly shortfallMs: number;
  /** The nearest deadline that can be promised now. */
  readonly nearestDeadlineMs: number;
  readonly latestStartMs: number;
  readonly plan: Plan;
  readonly reason: Reason;
  /** Start at once, on demand, uninterrupted. */
  readonly onDemandCostUsd: number | null;
  readonly onDemandCarbonGrams: number | null;
  /** Sentences that the user should read before agreeing. */
  readonly warnings: readonly string[];
}

export function quote(spec: JobSpec, market: MarketView, settings: EngineSettings, nowMs: number): Quote {
  const record = {
    jobId: spec.id,
    version: 1,
    events: [{ type: 'submitted' as const, atMs: nowMs, spec, latestStartMs: nowMs, simulated: market.simulated }],
  };
  const state = fold(record);
  const latest = latestStartMs(state, settings);
  const shortfallMs = Math.max(0, nowMs - latest);
  const view = outlook(market, nowMs, spec);
  const [decision] = decideJob(state, { attempts: [] }, { nowMs, market, settings });
  const lengthMs = spec.workMs + settings.startOverheadMs;
  const planning: PlanContext = { nowMs, latestStartMs: latest, lengthMs, outlook: view, spotNow: view.spotNow[0] };
  const uncapped = outlook(market, nowMs, { ...spec, maxPriceUsdPerHour: null }).onDemand.toSorted(
    (a, b) => a.objectiveUsdPerHour - b.objectiveUsdPerHour,
  )[0];
  const hours = lengthMs / 3_600_000;
  const grams = view.bestFrom(nowMs, lengthMs)?.carbonGrams;
  return {
    feasible: shortfallMs === 0,
    shortfallMs,
    nearestDeadlineMs: nowMs + onDemandNeedMs(state, settings),
    latestStartMs: latest,
    plan: planOf(decision) ?? planDry(planning),
    reason: decision?.reason ?? 'cheapest-now',
    onDemandCostUsd: uncapped === undefined ? null : uncapped.offering.priceUsdPerHour * hours,
    onDemandCarbonGrams: uncapped === undefined ? null : (grams ?? uncapped.offering.facilityPowerKw * market.carbon.gramsPerKwh * hours),
    warnings: warnings(spec, view.onDemand.length === 0, uncapped?.offering.priceUsdPerHour ?? null),
  };
}

function planOf(decision: Decision | undefined): Plan | null {
  return decision !== undefined && (decision.do === 'hold' || decision.do === 'launch') ? decision.plan : null;
}

function warnings(spec: JobSpec, noOnDemand: boolean, onDemandUsdPerHour: number | null): readonly string[] {
  if (onDemandUsdPerHour === null) return ['No on-demand offering matches these zones and instance types: nothing can guarantee the deadline.'];
  if (noOnDemand && spec.maxPriceUsdPerHour !== null) {
    return [
      `The price cap of ${spec.maxPriceUsdPerHour} USD/h is below on demand (${onDemandUsdPerHour} USD/h): if spot stays away, the deadline will be missed.`,
    ];
  }
  return [];
}
