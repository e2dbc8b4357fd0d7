// One number per hour of running: dollars plus carbon at a price. And the table of what an hour will cost, per market and
// kind of job, so that 100,000 held jobs cost 100,000 comparisons and not 100,000 forecasts.

import type { JobSpec, Optimize } from './job.ts';
import type { Placement } from './decision.ts';
import type { Forecast } from './forecast.ts';
import { forecastOf } from './forecaster/forecast-of.ts';
import type { MarketView, Offering } from './snapshot.ts';

const HOUR_MS = 3_600_000;
/** The grid of the window search: a window may open at any quarter of an hour. */
export const WINDOW_STEP_MS = HOUR_MS / 4;
const HORIZON_MS = 72 * HOUR_MS;
/** Beyond the horizon one hour is like another, and a deadline may be a thousand years away: windows that begin later are not compared. */
const SEARCHED_MS = 192 * HOUR_MS;

/** USD per tonne CO2e. `balanced` is the US EPA's social cost of carbon (2023); `carbon` makes dollars a tie-breaker. */
export const CARBON_PRICE_USD_PER_TONNE: Readonly<Record<Optimize, number>> = { cost: 0, balanced: 190, carbon: 100_000 };

/** Dollars per hour with carbon priced in. */
export function objectiveUsdPerHour(
  offering: Pick<Offering, 'priceUsdPerHour' | 'facilityPowerKw'>,
  gramsPerKwh: number,
  carbonPriceUsdPerTonne: number,
): number {
  return offering.priceUsdPerHour + (offering.facilityPowerKw * gramsPerKwh * carbonPriceUsdPerTonne) / 1e6;
}

export interface Priced {
  readonly offering: Offering;
  readonly objectiveUsdPerHour: number;
}

export interface Window {
  readonly startMs: number;
  readonly zone: string;
  readonly instanceType: string;
  readonly objectiveUsd: number;
  readonly costUsd: number;
  readonly carbonGrams: number;
}

/** Everything the engine derives from one market for one kind of job. */
export interface Outlook {
  readonly gramsPerKwhNow: number;
  /** Spot worth having now, cheapest objective first (ties: zone, then type, so that the order never depends on the input). */
  readonly spotNow: readonly Priced[];
  /** Every acceptable on-demand offering with a price, available ones first, then cheapest. */
  readonly onDemand: readonly Priced[];
  /** On demand whose price is no price (the feed is broken): dear beyond comparison, and taken all the same when it must be. */
  readonly onDemandUnpriced: readonly Priced[];
  /** Forecast cost of `lengthMs` of work started at `startMs` in the best place. */
  bestFrom(startMs: number, lengthMs: number): Window | null;
  /** The best that opens at `fromMs`, or any number of steps of the window grid later, by `toMs`. Where it makes no difference, the earlier. */
  bestBetween(fromMs: number, toMs: number, lengthMs: number): Window | null;
  /** As `bestFrom`, in one place; null if that place is not acceptable. */
  windowIn(zone: string, instanceType: string, startMs: number, lengthMs: number): Window | null;
}

type JobKind = Pick<JobSpec, 'zones' | 'instanceTypes' | 'carbonPriceUsdPerTonne' | 'maxPriceUsdPerHour'>;

/** Per market, of its newest instant: a look that comes later makes the former ones useless, and a market may live for thousands of looks. */
const cache = new WeakMap<MarketView, { readonly atMs: number; readonly kinds: Map<string, Outlook> }>();

/** The outlook of this market for this kind of job; computed once per market view and instant. */
export function outlook(market: MarketView, nowMs: number, job: JobKind): Outlook {
  const key = `${job.zones?.join(',') ?? '*'}|${job.instanceTypes.join(',')}|${job.carbonPriceUsdPerTonne}|${job.maxPriceUsdPerHour}`;
  let known = cache.get(market);
  if (known?.atMs !== nowMs) {
    known = { atMs: nowMs, kinds: new Map() };
    cache.set(market, known);
  }
  const found = known.kinds.get(key);
  if (found !== undefined) return found;
  const made = compute(market, nowMs, job);
  known.kinds.set(key, made);
  return made;
}

function compute(market: MarketView, nowMs: number, job: JobKind): Outlook {
  const suitable = market.offerings.filter((o) => (job.zones === null || job.zones.includes(o.zone)) && job.instanceTypes.includes(o.instanceType));
  const acceptable = suitable.filter(
    (o) => knownPrice(o) !== null && (job.maxPriceUsdPerHour === null || o.priceUsdPerHour <= job.maxPriceUsdPerHour),
  );
  const priced = (o: Offering): Priced => ({
    offering: o,
    objectiveUsdPerHour: objectiveUsdPerHour(o, market.carbon.gramsPerKwh, job.carbonPriceUsdPerTonne),
  });
  const onDemand = acceptable.filter((o) => o.capacityType === 'on-demand').map(priced);
  onDemand.sort((a, b) => Number(b.offering.available) - Number(a.offering.available) || byObjective(a, b));
  // A cap is a promise to the user: what has no price may be above it.
  const onDemandUnpriced = suitable
    .filter((o) => o.capacityType === 'on-demand' && knownPrice(o) === null && job.maxPriceUsdPerHour === null)
    .map((offering): Priced => ({ offering, objectiveUsdPerHour: Number.POSITIVE_INFINITY }));
  const ceiling = new Map<string, number>();
  for (const o of market.offerings)
    if (o.capacityType === 'on-demand' && knownPrice(o) !== null)
      ceiling.set(o.instanceType, Math.min(o.priceUsdPerHour, ceiling.get(o.instanceType) ?? Infinity));
  const worthHaving = (o: Offering): boolean => o.priceUsdPerHour < (ceiling.get(o.instanceType) ?? Infinity);
  const spot = acceptable.filter((o) => o.capacityType === 'spot' && worthHaving(o));
  const spotNow = spot
    .filter((o) => o.available)
    .map(priced)
    .sort(byObjective);
  // What is not there now, and of which no hours are known, is no window to wait for: its price says nothing of when it comes back.
  const timed = new Set(market.spotHistory.map((h) => `${h.zone} ${h.instanceType}`));
  const promises = (o: Offering): boolean => o.available || spotNow.length === 0 || timed.has(`${o.zone} ${o.instanceType}`);
  // Forecast only when a window is asked for: most looks at a running job ask for none.
  let made: readonly Column[] | null = null;
  const columns = (): readonly Column[] => {
    if (made === null) {
      const carbon = forecastOf(market.carbon.history, nowMs, market.carbon.gramsPerKwh, market.models?.carbon);
      made = spot.filter(promises).map((o) => column(market, nowMs, o, carbon, ceiling.get(o.instanceType) ?? Infinity));
    }
    return made;
  };
  const windowOf = (c: Column, startMs: number, lengthMs: number): Window => windowIn(c, nowMs, startMs, lengthMs, job.carbonPriceUsdPerTonne);
  return {
    gramsPerKwhNow: market.carbon.gramsPerKwh,
    spotNow,
    onDemand,
    onDemandUnpriced,
    bestFrom: (startMs, lengthMs) => cheapest(columns().map((c) => windowOf(c, startMs, lengthMs))),
    bestBetween: (fromMs, toMs, lengthMs) => {
      const endMs = Math.min(toMs, Math.max(fromMs, nowMs + SEARCHED_MS));
      const found = search(columns(), nowMs, { fromMs, toMs: endMs, lengthMs }, job.carbonPriceUsdPerTonne);
      return found === null ? null : windowOf(found.column, found.startMs, lengthMs);
    },
    windowIn: (zone, instanceType, startMs, lengthMs) =>
      cheapest(
        columns()
          .filter((c) => c.zone === zone && c.instanceType === instanceType)
          .map((c) => windowOf(c, startMs, lengthMs)),
      ),
  };
}

function byObjective(a: Priced, b: Priced): number {
  return (
    a.objectiveUsdPerHour - b.objectiveUsdPerHour ||
    a.offering.zone.localeCompare(b.offering.zone) ||
    a.offering.instanceType.localeCompare(b.offering.instanceType)
  );
}

/** Prefix sums of forecast dollars and grams at the window grid: a window's cost is one subtraction. */
interface Column {
  readonly zone: string;
  readonly instanceType: string;
  readonly usd: Float64Array;
  readonly grams: Float64Array;
}

function column(market: MarketView, nowMs: number, offering: Offering, carbon: Forecast, ceilingUsdPerHour: number): Column {
  const history = market.spotHistory.find((h) => h.zone === offering.zone && h.instanceType === offering.instanceType);
  const price: Forecast =
    history === undefined
      ? () => offering.priceUsdPerHour
      : forecastOf(history.priceUsdPerHour, nowMs, offering.priceUsdPerHour, market.models?.price);
  const steps = HORIZON_MS / WINDOW_STEP_MS;
  const usd = new Float64Array(steps + 1);
  const grams = new Float64Array(steps + 1);
  for (let i = 0; i < steps; i++) {
    const atMs = nowMs + (i + 0.5) * WINDOW_STEP_MS;
    const hours = WINDOW_STEP_MS / HOUR_MS;
    usd[i + 1] = (usd[i] ?? 0) + Math.min(price(atMs), ceilingUsdPerHour) * hours;
    grams[i + 1] = (grams[i] ?? 0) + carbon(atMs) * offering.facilityPowerKw * hours;
  }
  return { zone: offering.zone, instanceType: offering.instanceType, usd, grams };
}

function windowIn(c: Column, nowMs: number, startMs: number, lengthMs: number, carbonPrice: number): Window {
  const costUsd = between(c.usd, nowMs, startMs, lengthMs);
  const carbonGrams = between(c.grams, nowMs, startMs, lengthMs);
  return { startMs, zone: c.zone, instanceType: c.instanceType, objectiveUsd: costUsd + (carbonGrams * carbonPrice) / 1e6, costUsd, carbonGrams };
}

function cheapest(windows: readonly Window[]): Window | null {
  return windows.reduce<Window | null>((best, w) => (best === null || w.objectiveUsd < best.objectiveUsd ? w : best), null);
}

/** An improvement below this is none: the earlier window leaves more slack. */
const NO_BETTER = 0.999;

/** The first look at 100,000 jobs asks for a hundred windows each: compared here by their objective alone, and none of them is made. */
function search(
  columns: readonly Column[],
  nowMs: number,
  { fromMs, toMs, lengthMs }: { readonly fromMs: number; readonly toMs: number; readonly lengthMs: number },
  carbonPrice: number,
): { readonly column: Column; readonly startMs: number } | null {
  let bestColumn: Column | null = null;
  let bestStartMs = fromMs;
  let bestUsd = Infinity;
  for (let startMs = fromMs; startMs <= toMs; startMs += WINDOW_STEP_MS) {
    const opens = (startMs - nowMs) / WINDOW_STEP_MS;
    const closes = (startMs + lengthMs - nowMs) / WINDOW_STEP_MS;
    for (const column of columns) {
      let usd = growth(column.usd, opens, closes);
      if (carbonPrice !== 0) usd += (growth(column.grams, opens, closes) * carbonPrice) / 1e6;
      if (bestColumn !== null && !(usd < (startMs === bestStartMs ? bestUsd : bestUsd * NO_BETTER))) continue;
      bestColumn = column;
      bestStartMs = startMs;
      bestUsd = usd;
    }
  }
  return bestColumn === null ? null : { column: bestColumn, startMs: bestStartMs };
}

/** Of a prefix sum between two positions. The ordinary case is written out: it is most of what a look at a held job costs. */
function growth(sums: Float64Array, from: number, to: number): number {
  if (from < 0 || to >= sums.length - 1) return valueAt(sums, to) - valueAt(sums, from);
  const a = Math.floor(from);
  const b = Math.floor(to);
  const low = sums[a] as number;
  const high = sums[b] as number;
  return high + (to - b) * ((sums[b + 1] as number) - high) - (low + (from - a) * ((sums[a + 1] as number) - low));
}

/** Linear interpolation in the prefix sums; beyond the horizon the last day's mean goes on. */
function between(sums: Float64Array, nowMs: number, startMs: number, lengthMs: number): number {
  return valueAt(sums, (startMs + lengthMs - nowMs) / WINDOW_STEP_MS) - valueAt(sums, (startMs - nowMs) / WINDOW_STEP_MS);
}

function valueAt(sums: Float64Array, position: number): number {
  const last = sums.length - 1;
  if (position >= last) {
    const day = (24 * HOUR_MS) / WINDOW_STEP_MS;
    const perStep = ((sums[last] ?? 0) - (sums[last - day] ?? 0)) / day;
    return (sums[last] ?? 0) + (position - last) * perStep;
  }
  const index = Math.max(0, Math.floor(position));
  const low = sums[index] ?? 0;
  return low + (Math.max(0, position) - index) * ((sums[index + 1] ?? low) - low);
}

export const placementOf = (priced: Priced): Placement => ({
  zone: priced.offering.zone,
  instanceType: priced.offering.instanceType,
  capacityType: priced.offering.capacityType,
  priceUsdPerHour: knownPrice(priced.offering),
});

/** A feed may say anything: only a positive number is a price. */
export const knownPrice = ({ priceUsdPerHour }: Pick<Offering, 'priceUsdPerHour'>): number | null =>
  Number.isFinite(priceUsdPerHour) && priceUsdPerHour > 0 ? priceUsdPerHour : null;
