// The market of the simulation: what is true (price and capacity as functions of time) and what the feed says, which may
// lie: capacity that never places, capacity denied, prices that are no numbers.

import type { CapacityType } from '../../../src/engine/job.ts';
import type { UsageSegment } from '../../../src/engine/record.ts';
import type { MarketView, Offering, Series } from '../../../src/engine/snapshot.ts';
import type { Market } from '../../../src/ports.ts';
import { HOUR, MINUTE } from '../build.ts';
import { hash, type Random } from './random.ts';
import type { SimTime } from './time.ts';

export const ZONES = ['euw3-az1', 'euw3-az2', 'euw3-az3'] as const;
const TYPE = 'g4dn.xlarge';
const ON_DEMAND_USD = 0.615;
const POWER_KW = 0.0912;
const STEP = 5 * MINUTE;

interface Span {
  readonly zone: string;
  readonly capacityType: CapacityType;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Lie extends Span {
  readonly says: 'available' | 'dry' | 'not-a-number' | 'zero';
}

export interface MarketPlan {
  /** Truly no capacity. */
  readonly dry: readonly Span[];
  readonly lies: readonly Lie[];
}

export interface SimMarket extends Market {
  has(zone: string, capacityType: CapacityType, atMs: number): boolean;
  priceUsdPerHour(zone: string, capacityType: CapacityType, atMs: number): number;
}

export function simMarket(time: SimTime, seed: number, plan: MarketPlan): SimMarket {
  const within = (spans: readonly Span[], zone: string, capacityType: CapacityType, atMs: number): boolean =>
    spans.some((s) => s.zone === zone && s.capacityType === capacityType && s.fromMs <= atMs && atMs < s.toMs);
  const has = (zone: string, capacityType: CapacityType, atMs: number): boolean => !within(plan.dry, zone, capacityType, atMs);
  const spotUsd = (zone: string, atMs: number): number => {
    const hour = Math.floor(atMs / HOUR) % 24;
    const shape = 0.14 + 0.12 * (hash(`hour ${hour}`, seed) / 2 ** 32);
    const noise = 0.85 + 0.3 * (hash(`${zone} ${Math.floor(atMs / STEP)}`, seed) / 2 ** 32);
    return shape * noise;
  };
  const priceUsdPerHour = (zone: string, capacityType: CapacityType, atMs: number): number =>
    capacityType === 'spot' ? spotUsd(zone, atMs) : ON_DEMAND_USD;
  const grams = (atMs: number): number => 30 + 40 * (hash(`grid ${Math.floor(atMs / HOUR)}`, seed) / 2 ** 32);
  const offering = (zone: string, capacityType: CapacityType, nowMs: number): Offering => {
    const lie = plan.lies.find((l) => l.zone === zone && l.capacityType === capacityType && l.fromMs <= nowMs && nowMs < l.toMs)?.says;
    const price = lie === 'not-a-number' ? Number.NaN : lie === 'zero' ? 0 : priceUsdPerHour(zone, capacityType, nowMs);
    const available = lie === 'available' ? true : lie === 'dry' ? false : has(zone, capacityType, nowMs);
    return { zone, instanceType: TYPE, capacityType, priceUsdPerHour: price, pricedAtMs: nowMs, available, facilityPowerKw: POWER_KW };
  };
  const history = hourly();
  function hourly(): (value: (atMs: number) => number, key: string, nowMs: number) => Series {
    const known = new Map<string, Series>();
    return (value, key, nowMs) => {
      const startMs = Math.floor(nowMs / HOUR) * HOUR - 3 * 24 * HOUR;
      const found = known.get(`${key} ${startMs}`);
      if (found !== undefined) return found;
      const made = { startMs, stepMs: HOUR, values: Array.from({ length: 72 }, (_, i) => value(startMs + i * HOUR)) };
      known.set(`${key} ${startMs}`, made);
      return made;
    };
  }
  return {
    has,
    priceUsdPerHour,
    async view(): Promise<MarketView> {
      const nowMs = time.nowMs();
      return {
        region: 'eu-west-3',
        simulated: ['prices'],
        offerings: ZONES.flatMap((zone) => [offering(zone, 'spot', nowMs), offering(zone, 'on-demand', nowMs)]),
        spotHistory: ZONES.map((zone) => ({ zone, instanceType: TYPE, priceUsdPerHour: history((atMs) => spotUsd(zone, atMs), zone, nowMs) })),
        carbon: { gramsPerKwh: grams(nowMs), signal: 'average', source: 'simulation', readAtMs: nowMs, history: history(grams, 'grid', nowMs) },
      };
    },
    async meter({ zone, capacityType, fromMs, toMs }): Promise<readonly UsageSegment[]> {
      const segments: UsageSegment[] = [];
      for (let atMs = fromMs; atMs < toMs; ) {
        const endMs = Math.min(toMs, (Math.floor(atMs / STEP) + 1) * STEP);
        // What lies ahead is not known: the last value.
        const knownMs = Math.min(atMs, time.nowMs());
        segments.push({
          fromMs: atMs,
          toMs: endMs,
          priceUsdPerHour: priceUsdPerHour(zone, capacityType, knownMs),
          facilityPowerKw: POWER_KW,
          carbonGramsPerKwh: grams(knownMs),
        });
        atMs = endMs;
      }
      return segments;
    },
  };
}

/** Spans of drought and lies over [fromMs, toMs), the harder the more. */
export function drawMarket(
  random: Random,
  fromMs: number,
  toMs: number,
  hardness: { spotDry: number; spotEnds: boolean; onDemandDry: number; lies: number },
): MarketPlan {
  const dry: Span[] = [];
  const lies: Lie[] = [];
  const span = (longestMs: number): { fromMs: number; toMs: number } => {
    const start = random.between(fromMs, toMs);
    return { fromMs: start, toMs: start + random.between(MINUTE, longestMs) };
  };
  const endsMs = random.between(fromMs, toMs);
  for (const zone of ZONES) {
    if (hardness.spotEnds) dry.push({ zone, capacityType: 'spot', fromMs: endsMs, toMs: toMs + HOUR });
    for (let i = random.int(0, hardness.spotDry); i > 0; i--) dry.push({ zone, capacityType: 'spot', ...span(90 * MINUTE) });
    for (let i = random.int(0, hardness.onDemandDry); i > 0; i--) dry.push({ zone, capacityType: 'on-demand', ...span(40 * MINUTE) });
    for (let i = random.int(0, hardness.lies); i > 0; i--) {
      const capacityType = random.pick(['spot', 'spot', 'on-demand'] as const);
      lies.push({ zone, capacityType, says: random.pick(['available', 'dry', 'not-a-number', 'zero'] as const), ...span(60 * MINUTE) });
    }
  }
  // The whole feed is broken for a while: no price is a number.
  if (random.chance(hardness.lies * 0.1)) {
    const broken = span(90 * MINUTE);
    for (const zone of ZONES)
      for (const capacityType of ['spot', 'on-demand'] as const) lies.push({ zone, capacityType, says: 'not-a-number', ...broken });
  }
  return { dry, lies };
}
