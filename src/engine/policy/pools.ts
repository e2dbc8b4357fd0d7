// The pools of spot that a job may use, as the table sees them: at most four, since its size is their product.

import type { Priced } from '../objective.ts';
import type { AvailabilityHistory, Offering, SpotHistory } from '../snapshot.ts';
import type { PolicyContext } from './proposal.ts';

const MOST = 4;

export interface Pool {
  readonly zone: string;
  readonly instanceType: string;
  readonly usdPerHour: number;
  readonly powerKw: number;
  readonly history: AvailabilityHistory;
  readonly prices: SpotHistory | undefined;
  /** It is there, and decide.ts allows it; null otherwise. */
  readonly offer: Priced | null;
}

/** In the order of the market; the cheapest where there are too many, and always the one the job runs on. */
export function poolsOf(context: PolicyContext): readonly Pool[] {
  const { market, at } = context;
  const worth = market.offerings.filter((o) => o.capacityType === 'spot' && acceptable(context, o));
  const isHere = (o: Offering): boolean => at !== null && at.capacityType === 'spot' && o.zone === at.zone && o.instanceType === at.instanceType;
  if (worth.length <= MOST) return worth.map((o) => poolOf(context, o));
  const byPrice = [...worth].sort((a, b) => Number(isHere(b)) - Number(isHere(a)) || a.priceUsdPerHour - b.priceUsdPerHour);
  const kept = new Set(byPrice.slice(0, MOST));
  return worth.filter((o) => kept.has(o)).map((o) => poolOf(context, o));
}

function acceptable({ spec }: PolicyContext, offering: Offering): boolean {
  return (
    (spec.zones === null || spec.zones.includes(offering.zone)) &&
    spec.instanceTypes.includes(offering.instanceType) &&
    offering.priceUsdPerHour > 0 &&
    Number.isFinite(offering.priceUsdPerHour)
  );
}

function poolOf({ market, spot, nowMs, settings }: PolicyContext, offering: Offering): Pool {
  const { zone, instanceType } = offering;
  const same = (of: { readonly zone: string; readonly instanceType: string }): boolean => of.zone === zone && of.instanceType === instanceType;
  return {
    zone,
    instanceType,
    usdPerHour: offering.priceUsdPerHour,
    powerKw: offering.facilityPowerKw,
    history: market.availability?.find(same) ?? neverWatched(offering, nowMs, settings.sweepMs),
    prices: market.spotHistory.find(same),
    offer: spot.find((priced) => priced.offering === offering) ?? null,
  };
}

function neverWatched({ zone, instanceType, available }: Offering, nowMs: number, sweepMs: number): AvailabilityHistory {
  return { zone, instanceType, observedFromMs: nowMs, availableAtFirst: available, changesMs: [], observedEveryMs: sweepMs };
}
