// A recorded market read from text: availability and prices as the policy benchmark packs them, and a grid beside it. Traces are what
// somebody measured, so they have holes: each is read in one stated way and counted, never in silence.

import { NerveError } from '../engine/errors.ts';
import type { MarketTrace } from './market-trace.ts';

type Dictionary = Readonly<Record<string, unknown>>;

const isDictionary = (value: unknown): value is Dictionary => typeof value === 'object' && value !== null && !Array.isArray(value);
const positive = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value > 0;
/** What the traces of the benchmark were priced at when they carried no prices of their own. */
const USUAL_SPOT_SHARE = 0.318;

export interface GridTrace {
  readonly stepMs: number;
  readonly values: readonly number[];
  readonly oddities: readonly string[];
}

/** @throws NerveError `usage` naming what is wrong. */
export function readMarket(text: string, name: string, grid: GridTrace | null): MarketTrace {
  const pack = parsed(text, name);
  const { zones, gap_seconds: gap, on_demand_price: onDemand, start, instance } = pack;
  if (!isDictionary(zones) || Object.keys(zones).length === 0 || !positive(gap) || !positive(onDemand))
    throw refused(name, 'it needs "zones", "gap_seconds" and "on_demand_price", both above 0');
  const startMs = typeof start === 'string' ? Date.parse(start) : Number.NaN;
  if (!Number.isFinite(startMs)) throw refused(name, '"start" is no instant');
  const odd = new Map<string, number>();
  const count = (what: string, times: number): void => void (times > 0 && odd.set(what, (odd.get(what) ?? 0) + times));
  const names = Object.keys(zones);
  const columns = names.map((zone) => column(zones[zone], `${name}, zone ${zone}`, onDemand, count));
  const ticks = Math.max(...columns.map((c) => c.available.length));
  for (const c of columns) count('ticks in which a zone was not recorded, read as no spot', ticks - c.available.length);
  const tickMs = gap * 1000;
  const week = Math.floor((7 * 24 * 3_600_000) / tickMs);
  const gramsAt = (k: number): number => grid?.values[Math.floor((k * tickMs) / grid.stepMs)] ?? Number.NaN;
  const grams = grid === null ? [] : Array.from({ length: week + ticks }, (_, k) => gramsAt(k));
  if (grams.some((v) => !Number.isFinite(v))) throw refused(name, 'the grid beside it does not cover the trace and the week before it');
  return {
    source: `recorded: ${name}${grid === null ? '' : ', with another grid laid beside it'}`,
    startMs,
    tickMs,
    zones: names,
    instanceType: typeof instance === 'string' ? instance : 'recorded',
    onDemandUsdPerHour: onDemand,
    // A p3.2xlarge; what matters for a comparison is that every policy runs on the same machine.
    facilityPowerKw: grid === null ? 0 : 0.366,
    available: Array.from({ length: ticks }, (_, k) => columns.map((c) => c.available[k] ?? 0)),
    usdPerHour: Array.from({ length: ticks }, (_, k) => columns.map((c) => c.usd[k] ?? c.usd.at(-1) ?? onDemand)),
    gramsPerKwh: grams.slice(week),
    gramsBefore: grams.slice(0, week),
    oddities: [...[...odd].map(([what, times]) => `${times} ${what}.`), ...(grid?.oddities ?? [])],
  };
}

function column(
  zone: unknown,
  name: string,
  onDemand: number,
  count: (what: string, times: number) => void,
): { available: (0 | 1)[]; usd: number[] } {
  if (!isDictionary(zone) || typeof zone['avail'] !== 'string' || zone['avail'].length === 0)
    throw refused(name, 'it needs "avail", a text of 0 and 1');
  const marks = zone['avail'].split('');
  count('marks that are neither 0 nor 1, read as no spot', marks.filter((mark) => mark !== '0' && mark !== '1').length);
  const available = marks.map((mark): 0 | 1 => (mark === '1' ? 1 : 0));
  if (zone['price_rle'] === undefined) return { available, usd: [onDemand * USUAL_SPOT_SHARE] };
  const runs: unknown = zone['price_rle'];
  if (!Array.isArray(runs)) throw refused(name, '"price_rle" must be a list of [price, ticks]');
  const usd: number[] = [];
  let faulty = 0;
  for (const run of runs as unknown[]) {
    const [value, length] = Array.isArray(run) ? (run as unknown[]) : [];
    if (!positive(length)) throw refused(name, '"price_rle" must be a list of [price, ticks]');
    for (let i = 0; i < length && usd.length < available.length; i++) {
      if (!positive(value)) faulty += 1;
      usd.push(positive(value) ? value : (usd.at(-1) ?? onDemand));
    }
  }
  count('prices that are not above 0, read as the price before', faulty);
  count('ticks without a price, read as the price before', Math.max(0, available.length - usd.length));
  return { available, usd };
}

/** The longest block of a grid file. @throws NerveError `usage`. */
export function readGrid(text: string, name: string): GridTrace {
  const { blocks } = parsed(text, name);
  const read = (Array.isArray(blocks) ? (blocks as unknown[]) : [])
    .filter(isDictionary)
    .map((block) => ({ step: block['stepSeconds'], values: block['gCO2_per_kWh'] }));
  const usable = read.flatMap(({ step, values }) =>
    positive(step) && Array.isArray(values) && values.length > 0 ? [{ step, values: values as unknown[] }] : [],
  );
  const longest = usable.toSorted((a, b) => b.values.length * b.step - a.values.length * a.step)[0];
  if (longest === undefined) throw refused(name, 'it needs "blocks" with "stepSeconds" and "gCO2_per_kWh"');
  let last = Number.NaN;
  let faulty = 0;
  const values = longest.values.map((value) => {
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) last = value;
    else faulty += 1;
    return last;
  });
  if (Number.isNaN(values[0] ?? Number.NaN)) throw refused(name, 'it begins with a gap');
  return {
    stepMs: longest.step * 1000,
    values,
    oddities: faulty === 0 ? [] : [`${faulty} readings of the grid that are no number, read as the one before.`],
  };
}

function parsed(text: string, name: string): Dictionary {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new NerveError('usage', `${name} is not JSON.`, { cause, hint: 'Traces are JSON files, gzipped or not.' });
  }
  if (!isDictionary(value)) throw refused(name, 'it must be one JSON object');
  return value;
}

const refused = (name: string, why: string): NerveError =>
  new NerveError('usage', `${name} is no trace that can be replayed: ${why}.`, { hint: 'docs/operations.md has the format.' });
