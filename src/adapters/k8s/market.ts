// The market as a cluster knows it, until live feeds come: a price file, the typical day of the grid, and what the worker itself has learnt. A
// zone in which a pod stays unschedulable, or whose node got an interruption notice, has "no spot now" for a while. Nodes of a type that the file
// does not price are offered at an assumed price, which is named as such wherever it is shown (`simulated: prices`).

import { facilityPowerKw } from '../../engine/energy.ts';
import type { CapacityType } from '../../engine/job.ts';
import { observeNode } from '../../engine/pod/node.ts';
import type { UsageSegment } from '../../engine/record.ts';
import type { MarketView, ObservedAttempt, ObservedNode, Offering } from '../../engine/snapshot.ts';
import type { Clock, Market, MeterAsk } from '../../ports.ts';
import type { Ledger } from './ledger.ts';
import type { PriceFile } from './prices.ts';
import { type TypicalDay, typicalDay } from './typical-day.ts';

const HOUR_MS = 3_600_000;
const HISTORY_MS = 7 * 24 * HOUR_MS;
/** A view is reused for so long: the engine keeps what it derives from one. */
const VIEW_MS = 60_000;
/** What was learnt is a second old at most. */
const LEARN_MS = 1000;
const PUE = 1.14;
/** For what nobody priced: only the order of spot and on demand means something. */
const ASSUMED = { onDemandUsdPerHour: 1, spotShare: 0.35 };

export interface MarketOptions {
  readonly prices: PriceFile | null;
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** A pod that nothing takes for half of this says that its zone is dry; the word holds twice as long. */
  readonly placementTimeoutMs: number;
  /** The region, where the price file does not say it. */
  readonly region: string;
}

interface Price {
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  readonly usdPerHour: number;
  readonly powerKw: number;
  readonly assumed: boolean;
}

const keyOf = (place: { readonly zone: string; readonly instanceType: string; readonly capacityType: CapacityType }): string =>
  `${place.zone} ${place.instanceType} ${place.capacityType}`;

export function kubernetesMarket(options: MarketOptions): Market {
  const { prices, ledger, clock } = options;
  const region = prices?.region ?? options.region;
  const grid = typicalDay(region, prices?.gridGramsPerKwhByHour ?? null);
  const startedAtMs = clock.nowMs();
  /** Until when a place is known to be dry. */
  const dryUntil = new Map<string, number>();
  let cached: { readonly key: string; readonly view: MarketView } | null = null;

  let learntAtMs = Number.NEGATIVE_INFINITY;

  /** Every look asks for the market; going through all pods each time would make each look dearer the more jobs there are. */
  const learn = (nowMs: number): void => {
    if (nowMs >= learntAtMs && nowMs - learntAtMs < LEARN_MS) return;
    learntAtMs = nowMs;
    const holdsMs = options.placementTimeoutMs * 2;
    const dry = (place: Parameters<typeof keyOf>[0], sinceMs: number): void => {
      const key = keyOf(place);
      dryUntil.set(key, Math.max(dryUntil.get(key) ?? 0, sinceMs + holdsMs));
    };
    for (const attempt of ledger.unplacedJobs().flatMap((jobId) => ledger.attemptsOf(jobId))) {
      const sinceMs = unplacedSinceMs(attempt);
      if (sinceMs !== null && nowMs - sinceMs >= options.placementTimeoutMs / 2) dry(attempt, nowMs);
    }
    for (const node of nodes()) if (node.interruption !== null && node.capacityType === 'spot') dry(node, node.interruption.noticedAtMs);
    for (const [key, untilMs] of dryUntil) if (untilMs <= nowMs) dryUntil.delete(key);
  };
  const nodes = (): readonly ObservedNode[] => ledger.nodes().map(observeNode);

  const pricesNow = (): readonly Price[] => {
    const seen = nodes();
    const named = new Set(prices?.prices.map((row) => row.instanceType));
    return [...fromFile(prices, [...new Set(seen.map((node) => node.zone))]), ...assumedFor(seen.filter((node) => !named.has(node.instanceType)))];
  };

  return {
    view: async () => {
      const nowMs = clock.nowMs();
      learn(nowMs);
      const known = pricesNow();
      const key = [Math.floor(nowMs / VIEW_MS), ...[...dryUntil.keys()].toSorted(), ...known.map((price) => keyOf(price))].join('|');
      if (cached?.key !== key) {
        const pricedAtMs = prices?.readAtMs ?? startedAtMs;
        cached = { key, view: viewOf(known, { region, nowMs, pricedAtMs, grid, dry: (price) => dryUntil.has(keyOf(price)) }) };
      }
      return cached.view;
    },
    meter: async (ask) => usage(ask, pricesNow(), grid),
  };
}

const unplacedSinceMs = ({ endedAtMs, unschedulableSinceMs }: ObservedAttempt): number | null => (endedAtMs === null ? unschedulableSinceMs : null);

function fromFile(prices: PriceFile | null, zonesSeen: readonly string[]): readonly Price[] {
  return (prices?.prices ?? []).flatMap(({ instanceType, onDemandUsdPerHour, spotUsdPerHour, zones, watts }): Price[] => {
    const powerKw = watts === undefined ? (facilityPowerKw(instanceType) ?? 0) : (watts * PUE) / 1000;
    const common = { instanceType, powerKw, assumed: false };
    const everywhere = zones ?? [...new Set([...Object.keys(spotUsdPerHour), ...zonesSeen])];
    return [
      ...Object.entries(spotUsdPerHour).map(([zone, usdPerHour]): Price => ({ ...common, zone, capacityType: 'spot', usdPerHour })),
      ...everywhere.map((zone): Price => ({ ...common, zone, capacityType: 'on-demand', usdPerHour: onDemandUsdPerHour })),
    ];
  });
}

function assumedFor(nodes: readonly ObservedNode[]): readonly Price[] {
  const places = new Map(nodes.map((node) => [keyOf(node), node]));
  return [...places.values()].map(({ zone, instanceType, capacityType }) => ({
    zone,
    instanceType,
    capacityType,
    usdPerHour: ASSUMED.onDemandUsdPerHour * (capacityType === 'spot' ? ASSUMED.spotShare : 1),
    powerKw: facilityPowerKw(instanceType) ?? 0,
    assumed: true,
  }));
}

interface ViewFacts {
  readonly region: string;
  readonly nowMs: number;
  readonly pricedAtMs: number;
  readonly grid: TypicalDay;
  readonly dry: (price: Price) => boolean;
}

function viewOf(prices: readonly Price[], { region, nowMs, pricedAtMs, grid, dry }: ViewFacts): MarketView {
  const offerings = prices.map((price): Offering => {
    const { zone, instanceType, capacityType, usdPerHour, powerKw } = price;
    return { zone, instanceType, capacityType, priceUsdPerHour: usdPerHour, pricedAtMs, available: !dry(price), facilityPowerKw: powerKw };
  });
  const startMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS - HISTORY_MS;
  const hours = Array.from({ length: HISTORY_MS / HOUR_MS }, (_, i) => startMs + i * HOUR_MS);
  return {
    region,
    simulated: prices.some((price) => price.assumed) ? ['prices'] : [],
    offerings,
    // One reading of a price list says nothing of other hours.
    spotHistory: [],
    carbon: {
      gramsPerKwh: grid.gramsPerKwh(nowMs),
      signal: 'average',
      source: grid.source,
      readAtMs: nowMs,
      history: { startMs, stepMs: HOUR_MS, values: hours.map((atMs) => grid.gramsPerKwh(atMs)) },
    },
  };
}

/** Hour by hour, because the grid differs by the hour. */
function usage({ zone, instanceType, capacityType, fromMs, toMs }: MeterAsk, prices: readonly Price[], grid: TypicalDay): readonly UsageSegment[] {
  const price =
    prices.find((p) => p.zone === zone && p.instanceType === instanceType && p.capacityType === capacityType) ??
    prices.find((p) => p.instanceType === instanceType && p.capacityType === capacityType);
  const segments: UsageSegment[] = [];
  for (let atMs = fromMs; atMs < toMs; ) {
    const endMs = Math.min(toMs, (Math.floor(atMs / HOUR_MS) + 1) * HOUR_MS);
    const carbonGramsPerKwh = grid.gramsPerKwh(atMs);
    segments.push({ fromMs: atMs, toMs: endMs, priceUsdPerHour: price?.usdPerHour ?? 0, facilityPowerKw: price?.powerKw ?? 0, carbonGramsPerKwh });
    atMs = endMs;
  }
  return segments;
}
