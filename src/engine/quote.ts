// What a submit would mean, before anything is written: feasible or not, when, where, for how much, and what a cap risks.

import type { Decision } from './decision.ts';
import { decideJob } from './decide.ts';
import { fold } from './fold.ts';
import { bandOf } from './forecaster/forecast-of.ts';
import type { JobSpec } from './job.ts';
import { outlook } from './objective.ts';
import { type PlanContext, planDry } from './plan.ts';
import type { Plan } from './record.ts';
import type { Reason } from './reasons.ts';
import { type Risk, riskOf } from './risk.ts';
import { latestStartMs, onDemandNeedMs, spotSafeUntilMs } from './slack.ts';
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
  /** When the work is expected to be done. */
  readonly endMs: number;
  /** Of a plan on spot; null where it starts on demand, or no price is known. */
  readonly risk: Risk | null;
  /** What the outer quantiles of a trained forecast make of the plan's carbon; null without one. */
  readonly carbonRangeGrams: readonly [number, number] | null;
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
  const plan = planOf(decision) ?? planDry(planning);
  return {
    feasible: shortfallMs === 0,
    shortfallMs,
    nearestDeadlineMs: nowMs + onDemandNeedMs(state, settings),
    latestStartMs: latest,
    plan,
    endMs: plan.startMs + lengthMs,
    risk: riskFor(spec, plan, { market, settings, nowMs, spotSafeUntilMs: spotSafeUntilMs(state, settings) }, uncapped?.offering.priceUsdPerHour),
    carbonRangeGrams: carbonRange(plan, market, nowMs, lengthMs),
    reason: decision?.reason ?? 'cheapest-now',
    onDemandCostUsd: uncapped === undefined ? null : uncapped.offering.priceUsdPerHour * hours,
    onDemandCarbonGrams: uncapped === undefined ? null : (grams ?? uncapped.offering.facilityPowerKw * market.carbon.gramsPerKwh * hours),
    warnings: [...unknownLength(spec), ...warnings(spec, view.onDemand.length === 0, uncapped?.offering.priceUsdPerHour ?? null)],
  };
}

function riskFor(
  spec: JobSpec,
  plan: Plan,
  at: { readonly market: MarketView; readonly settings: EngineSettings; readonly nowMs: number; readonly spotSafeUntilMs: number },
  onDemandUsdPerHour: number | undefined,
): Risk | null {
  if (
    spec.workSource === 'profile' ||
    plan.capacityType !== 'spot' ||
    plan.instanceType === null ||
    plan.expectedCostUsd === null ||
    onDemandUsdPerHour === undefined
  )
    return null;
  const { instanceType } = plan;
  const hours = (spec.workMs + at.settings.startOverheadMs) / 3_600_000;
  return riskOf({
    ...at,
    zones: spec.zones ?? [...new Set(at.market.offerings.map((o) => o.zone))],
    instanceType,
    startMs: plan.startMs,
    workMs: spec.workMs,
    startOverheadMs: at.settings.startOverheadMs,
    spotUsdPerHour: plan.expectedCostUsd / hours,
    onDemandUsdPerHour,
  });
}

const STEP_MS = 900_000;

function carbonRange(plan: Plan, { carbon, models, offerings }: MarketView, nowMs: number, lengthMs: number): readonly [number, number] | null {
  const band = bandOf(carbon.history, nowMs, carbon.gramsPerKwh, models?.carbon);
  const kw = offerings.find((o) => o.zone === plan.zone && o.instanceType === plan.instanceType)?.facilityPowerKw;
  if (band === null || kw === undefined) return null;
  let low = 0;
  let high = 0;
  for (let atMs = plan.startMs; atMs < plan.startMs + lengthMs; atMs += STEP_MS) {
    const hours = Math.min(STEP_MS, plan.startMs + lengthMs - atMs) / 3_600_000;
    low += band.low(atMs + STEP_MS / 2) * kw * hours;
    high += band.high(atMs + STEP_MS / 2) * kw * hours;
  }
  return [low, high];
}

function planOf(decision: Decision | undefined): Plan | null {
  return decision !== undefined && (decision.do === 'hold' || decision.do === 'launch') ? decision.plan : null;
}

function unknownLength({ workSource }: JobSpec): readonly string[] {
  if (workSource !== 'profile') return [];
  return ['Nobody knows yet how long this job takes: the deadline is planned with once it has reported its speed, and until then it is only tried.'];
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
