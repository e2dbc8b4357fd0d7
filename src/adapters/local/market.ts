// The Market port over the simulated weather: offerings now, seven days of history, and the meter.

import { facilityPowerKw } from '../../engine/energy.ts';
import type { UsageSegment } from '../../engine/record.ts';
import type { MarketView, Offering, SpotHistory } from '../../engine/snapshot.ts';
import type { Clock, Market, MeterAsk } from '../../ports.ts';
import { gridGramsPerKwh, onDemandUsdPerHour, REGION, spotOffered, spotUsdPerHour, STEP_MS, TYPES, type Weather, ZONES } from './weather.ts';

const HOUR_MS = 3_600_000;
const HISTORY_MS = 7 * 24 * HOUR_MS;
const HISTORY_STEP_MS = HOUR_MS / 2;

const SIMULATED_PARTS = ['prices', 'availability', 'carbon'] as const;

/** `weather`: asked for each time, because a drought or a shortage may begin. */
export function simulatedMarket(weather: () => Promise<Weather>, clock: Clock): Market {
  // A view is good for the price step it was made in: the engine caches what it derives from one.
  let cached: { readonly key: string; readonly view: MarketView } | null = null;
  return {
    view: async () => {
      const nowMs = clock.nowMs();
      const now = await weather();
      const key = `${Math.floor(nowMs / STEP_MS)} ${JSON.stringify(now)}`;
      if (cached?.key !== key) cached = { key, view: viewAt(now, nowMs) };
      return cached.view;
    },
    meter: async (ask) => usage(await weather(), ask, clock.nowMs()),
  };
}

function viewAt(weather: Weather, nowMs: number): MarketView {
  const startMs = Math.floor(nowMs / HISTORY_STEP_MS) * HISTORY_STEP_MS - HISTORY_MS;
  const series = (value: (atMs: number) => number) => ({
    startMs,
    stepMs: HISTORY_STEP_MS,
    values: Array.from({ length: HISTORY_MS / HISTORY_STEP_MS }, (_, i) => value(startMs + i * HISTORY_STEP_MS)),
  });
  const spotHistory: SpotHistory[] = pairs().map(([zone, instanceType]) => ({
    zone,
    instanceType,
    priceUsdPerHour: series((atMs) => spotUsdPerHour(weather, zone, instanceType, atMs) ?? Number.NaN),
  }));
  return {
    region: REGION,
    simulated: SIMULATED_PARTS,
    offerings: offerings(weather, nowMs),
    spotHistory,
    carbon: {
      gramsPerKwh: gridGramsPerKwh(weather, nowMs),
      signal: 'average',
      source: 'simulated after eCO2mix (France)',
      readAtMs: nowMs,
      history: series((atMs) => gridGramsPerKwh(weather, atMs)),
    },
  };
}

const pairs = (): readonly (readonly [string, string])[] =>
  Object.entries(TYPES).flatMap(([instanceType, { spotShare }]) => Object.keys(spotShare).map((zone) => [zone, instanceType] as const));

function offerings(weather: Weather, nowMs: number): readonly Offering[] {
  return ZONES.flatMap((zone) =>
    Object.entries(TYPES).flatMap(([instanceType, { onDemandUsdPerHour: listUsdPerHour, spotShare }]): Offering[] => {
      if (spotShare[zone] === undefined) return [];
      const common = { zone, instanceType, pricedAtMs: nowMs, facilityPowerKw: facilityPowerKw(instanceType) ?? 0 };
      return [
        {
          ...common,
          capacityType: 'spot',
          priceUsdPerHour: spotUsdPerHour(weather, zone, instanceType, nowMs) ?? listUsdPerHour,
          available: spotOffered(weather, zone, instanceType, nowMs),
        },
        { ...common, capacityType: 'on-demand', priceUsdPerHour: listUsdPerHour, available: true },
      ];
    }),
  );
}

/** The simulation knows its own future; the meter does not use it: what lies ahead costs what it costs now. */
function usage(weather: Weather, { zone, instanceType, capacityType, fromMs, toMs }: MeterAsk, nowMs: number): readonly UsageSegment[] {
  const segments: UsageSegment[] = [];
  for (let atMs = fromMs; atMs < toMs; ) {
    const endMs = Math.min(toMs, (Math.floor(atMs / STEP_MS) + 1) * STEP_MS);
    const knownMs = Math.min(atMs, nowMs);
    const spot = capacityType === 'spot' ? spotUsdPerHour(weather, zone, instanceType, knownMs) : null;
    segments.push({
      fromMs: atMs,
      toMs: endMs,
      priceUsdPerHour: spot ?? onDemandUsdPerHour(instanceType) ?? 0,
      facilityPowerKw: facilityPowerKw(instanceType) ?? 0,
      carbonGramsPerKwh: gridGramsPerKwh(weather, knownMs),
    });
    atMs = endMs;
  }
  return segments;
}
