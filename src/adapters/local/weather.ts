// The SIMULATED market of the local cluster: what the price, the capacity and the grid are at an instant, as pure functions of
// the seed. Nothing here is recorded data; the parameters are those of AWS Paris and the French grid as published: list
// prices (AWS, November 2026), spot at 20-35 % of list (SkyPilot catalogue), eCO2mix's daily shape (30-70 g/kWh, evening peak).

import { chance } from './chance.ts';

const HOUR_MS = 3_600_000;
/** Prices and grid change on this grid. */
export const STEP_MS = HOUR_MS / 4;
const PARIS_WINTER_OFFSET_MS = HOUR_MS;

export const REGION = 'eu-west-3';
export const ZONES = ['euw3-az1', 'euw3-az2', 'euw3-az3'] as const;

/** USD/h on demand, and the usual share of it that spot costs in each zone; absent = not offered there. */
export const TYPES: Readonly<Record<string, { readonly onDemandUsdPerHour: number; readonly spotShare: Readonly<Record<string, number>> }>> = {
  'g4dn.xlarge': { onDemandUsdPerHour: 0.615, spotShare: { 'euw3-az1': 0.314, 'euw3-az2': 0.26, 'euw3-az3': 0.283 } },
  'g6.xlarge': { onDemandUsdPerHour: 1.0216, spotShare: { 'euw3-az2': 0.35, 'euw3-az3': 0.371 } },
  'g6.12xlarge': { onDemandUsdPerHour: 5.8412, spotShare: { 'euw3-az2': 0.282, 'euw3-az3': 0.294 } },
};

export interface Weather {
  readonly seed: string;
  /** From then on there is no spot anywhere: the bad day that Nerve must survive. Null: an ordinary day. */
  readonly droughtFromMs: number | null;
  /** Zone -> until when: where a machine was just taken back there is no room for another one for a while; the machines that run there stay. */
  readonly shortages?: Readonly<Record<string, number>>;
}

/** Long enough that a demo's job must move: six hours. */
export const SHORTAGE_MS = 6 * HOUR_MS;

/** Hour of the day in Paris (winter time), with fraction. */
function hourOf(atMs: number): number {
  return ((((atMs + PARIS_WINTER_OFFSET_MS) % (24 * HOUR_MS)) + 24 * HOUR_MS) % (24 * HOUR_MS)) / HOUR_MS;
}

/** Straight lines between (hour, value) points that cover 0..24. */
function shape(points: readonly (readonly [number, number])[], hour: number): number {
  const index = Math.max(
    1,
    points.findIndex(([h]) => h > hour),
  );
  const [h0, v0] = points[index - 1] ?? [0, 1];
  const [h1, v1] = points[index] ?? [24, v0];
  return v0 + ((hour - h0) / (h1 - h0)) * (v1 - v0);
}

/** Demand for spot over the day: dear in office hours and in the evening, cheap after about 22:00. */
const SPOT_DAY = [
  [0, 0.74],
  [3, 0.78],
  [6, 0.86],
  [9, 1.04],
  [14, 1.1],
  [18, 1.16],
  [21.25, 1.18],
  [22, 0.74],
  [24, 0.74],
] as const;
/** g/kWh on a winter day in France: evening peak, low at night, a dip at noon. */
const GRID_DAY = [
  [0, 36],
  [4, 31],
  [7, 42],
  [9, 50],
  [13, 43],
  [17, 54],
  [19, 66],
  [21, 58],
  [22, 44],
  [24, 36],
] as const;

/** Every day this place is a little early or late: a seed's window opens between a quarter past nine and a quarter to eleven. */
function shiftHours(seed: string): number {
  return (Math.round(chance(seed, 'shift') * 6) - 3) / 4;
}

export function gridGramsPerKwh({ seed }: Weather, atMs: number): number {
  const step = Math.floor(atMs / STEP_MS);
  const day = Math.floor(atMs / (24 * HOUR_MS));
  const level = 0.9 + 0.2 * chance(seed, 'grid-day', day);
  return shape(GRID_DAY, hourOf(step * STEP_MS)) * level * (0.98 + 0.04 * chance(seed, 'grid', step));
}

export function onDemandUsdPerHour(instanceType: string): number | null {
  return TYPES[instanceType]?.onDemandUsdPerHour ?? null;
}

/** USD/h, or null where the type is not offered. */
export function spotUsdPerHour(weather: Weather, zone: string, instanceType: string, atMs: number): number | null {
  const type = TYPES[instanceType];
  const share = type?.spotShare[zone];
  if (type === undefined || share === undefined) return null;
  const { seed } = weather;
  const step = Math.floor(atMs / STEP_MS);
  const place = share * (0.88 + 0.24 * chance(seed, 'place', zone, instanceType));
  const noise = 0.98 + 0.04 * chance(seed, 'price', zone, instanceType, step);
  const usd = type.onDemandUsdPerHour * place * noise * shape(SPOT_DAY, hourOf(step * STEP_MS - shiftHours(seed) * HOUR_MS));
  return Math.round(usd * 1e4) / 1e4;
}

const OUTAGE_BLOCK_MS = 6 * HOUR_MS;
const OUTAGE_CHANCE = 0.02;

/** Is there room for one more spot machine? */
export function spotOffered(weather: Weather, zone: string, instanceType: string, atMs: number): boolean {
  return spotAvailable(weather, zone, instanceType, atMs) && atMs >= (weather.shortages?.[zone] ?? Number.NEGATIVE_INFINITY);
}

/** Does spot capacity stay? Now and then a zone has none for one to three hours; in a drought none has any. */
export function spotAvailable(weather: Weather, zone: string, instanceType: string, atMs: number): boolean {
  if (weather.droughtFromMs !== null && atMs >= weather.droughtFromMs) return false;
  if (TYPES[instanceType]?.spotShare[zone] === undefined) return false;
  const block = Math.floor(atMs / OUTAGE_BLOCK_MS);
  if (chance(weather.seed, 'outage', zone, instanceType, block) >= OUTAGE_CHANCE) return true;
  const lengthMs = (1 + 2 * chance(weather.seed, 'outage-length', zone, block)) * HOUR_MS;
  const startMs = block * OUTAGE_BLOCK_MS + chance(weather.seed, 'outage-start', zone, block) * (OUTAGE_BLOCK_MS - lengthMs);
  return atMs < startMs || atMs >= startMs + lengthMs;
}
