// The market of a trace as every job sees it at an instant: one view a tick, shared, so that what the engine learns from it is learned once.
// It knows what happened up to then and nothing of what comes.

import type { ForecastModels } from '../engine/forecaster/model.ts';
import type { AvailabilityHistory, MarketView, Offering } from '../engine/snapshot.ts';
import type { MarketTrace } from './market-trace.ts';
import { NEARLY_FREE_USD, TYPE } from './world.ts';

export function sharedMarket(trace: MarketTrace, models: ForecastModels): (nowMs: number) => MarketView {
  const views = new Map<number, MarketView>();
  const changes = trace.zones.map((_, z) => changesOf(trace, z));
  return (nowMs) => {
    const k = Math.min(trace.available.length - 1, Math.max(0, Math.floor((nowMs - trace.startMs) / trace.tickMs + 1e-9)));
    const known = views.get(k);
    if (known !== undefined) return known;
    const made = viewAt(trace, models, changes, k);
    views.set(k, made);
    return made;
  };
}

/** Ticks at which a zone's spot came or went. */
function changesOf({ available }: MarketTrace, z: number): readonly number[] {
  return available.flatMap((row, k) => (k > 0 && row[z] !== available[k - 1]?.[z] ? [k] : []));
}

function viewAt(trace: MarketTrace, models: ForecastModels, changes: readonly (readonly number[])[], k: number): MarketView {
  const { startMs, tickMs, zones, gramsPerKwh, gramsBefore } = trace;
  const pricedAtMs = startMs + k * tickMs;
  const offer = (zone: string, capacityType: 'spot' | 'on-demand', usd: number, available: boolean): Offering => ({
    zone,
    instanceType: TYPE,
    capacityType,
    priceUsdPerHour: Math.max(usd, NEARLY_FREE_USD),
    pricedAtMs,
    available,
    facilityPowerKw: trace.facilityPowerKw,
  });
  const offerings = [
    ...zones.map((zone, z) => offer(zone, 'spot', trace.usdPerHour[k]?.[z] ?? trace.onDemandUsdPerHour, trace.available[k]?.[z] === 1)),
    ...(zones.length === 0 ? ['anywhere'] : zones).map((zone) => offer(zone, 'on-demand', trace.onDemandUsdPerHour, true)),
  ];
  const availability = zones.map(
    (zone, z): AvailabilityHistory => ({
      zone,
      instanceType: TYPE,
      observedFromMs: startMs,
      availableAtFirst: trace.available[0]?.[z] === 1,
      changesMs: (changes[z] ?? []).filter((at) => at <= k).map((at) => startMs + at * tickMs),
      observedEveryMs: tickMs,
    }),
  );
  const values = [...gramsBefore, ...gramsPerKwh.slice(0, k)];
  return {
    region: 'simulated',
    simulated: [],
    offerings,
    spotHistory: [],
    availability,
    carbon: {
      gramsPerKwh: gramsPerKwh[k] ?? 0,
      signal: 'average',
      source: trace.source,
      readAtMs: pricedAtMs,
      history: { startMs: pricedAtMs - values.length * tickMs, stepMs: tickMs, values },
    },
    models,
  };
}
