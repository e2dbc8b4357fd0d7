// Which table a situation needs, and the memory of those already made. What a table is made for is rounded, so that jobs and
// looks share it; the memory is bounded by bytes, and the table that was not asked for longest goes first.

import { type Ahead, aheadOnce } from './ahead.ts';
import type { Situation } from './choose.ts';
import { type LearnedPool, learnOnce } from './learn.ts';
import { phasesFor } from './phases.ts';
import { buildTable, type Table } from './table.ts';

const HOUR_MS = 3_600_000;
const MOST_BYTES = 256 * 2 ** 20;
/** Times left are rounded up to this; less where the forecast of the grid grows stale. */
const CHUNK_HOURS = 3;
const SHIFTING_CHUNK_HOURS = 2;
/** Rates, prices and slack within these factors share a table. */
const RATE_STEP = Math.log(1.1);
const PRICE_STEP = Math.log(1.02);
const SLACK_STEP = Math.log(1.6);
const DRIFT_STEP = 0.001;
const CELLS: readonly number[] = [40_000, 40_000, 10_000, 1500, 1200];

const memory = new Map<string, Table>();
let bytes = 0;

export interface Found {
  readonly table: Table;
  /** Prices or the grid are expected to change, so waiting may pay although spot is there. */
  readonly mayShift: boolean;
}

export function tableFor(situation: Situation): Found {
  const { pools, carbonUsdPerGram, onDemand, lookHours } = situation;
  const { carbon, models } = situation.market;
  const green = carbonUsdPerGram > 0 && [...pools.map((p) => p.powerKw), onDemand?.offering.facilityPowerKw ?? 0].some((kw) => kw > 0);
  const varies = green || pools.some((p) => p.prices !== undefined);
  const chunkHours = varies ? SHIFTING_CHUNK_HOURS : CHUNK_HOURS;
  const chunk = Math.max(1, Math.ceil(situation.hoursLeft / chunkHours - 1e-9));
  const toHours = chunk * chunkHours;
  const asOfMs = Math.floor(situation.nowMs / (chunkHours * HOUR_MS)) * chunkHours * HOUR_MS;
  const grid: Ahead = green ? aheadOnce(carbon.history, asOfMs, carbon.gramsPerKwh, models?.carbon) : { at: () => 0, name: '', varies: false };
  const prices = pools.map((p) => aheadOnce(p.prices?.priceUsdPerHour, asOfMs, rounded(p.usdPerHour, PRICE_STEP), models?.price));
  const mayShift = grid.varies || prices.some((p) => p.varies);
  const then = learnOnce(
    situation.market,
    pools.map((p) => p.history),
    asOfMs,
  );
  const { rates, name: poolsName } = roundedOnce(then, pools, prices);
  const drift = Math.round(situation.drift / DRIFT_STEP) * DRIFT_STEP;
  const slack = Math.max(situation.hoursLeft - situation.workHours, lookHours) + drift * situation.workHours;
  const maxSlackHours = Math.exp(Math.ceil(Math.log(slack) / SLACK_STEP - 1e-9) * SLACK_STEP);
  const onDemandUsd = onDemand?.offering.priceUsdPerHour ?? 0;
  const onDemandKw = onDemand?.offering.facilityPowerKw ?? 0;
  // Deadlines within half an hour share a forecast.
  const deadlineMs = Math.round(situation.deadlineMs / HOUR_MS) * HOUR_MS;
  const { startHours, startMaxHours, launchFailureProbability } = situation;
  const world = [lookHours, startHours, startMaxHours, launchFailureProbability, drift, onDemandUsd, onDemandKw, carbonUsdPerGram];
  const reach = [chunkHours, toHours, maxSlackHours, mayShift, grid.name, mayShift ? deadlineMs : ''];
  const name = `${[world, reach].join('|')}|${poolsName}`;
  const atMs = (hoursLeft: number): number => deadlineMs - hoursLeft * HOUR_MS;
  const gridUsd = (kw: number, hoursLeft: number): number => (green ? kw * grid.at(atMs(hoursLeft)) * carbonUsdPerGram : 0);
  const table = remembered(name, () =>
    buildTable({
      phases: phasesFor(pools.length),
      pools: rates,
      poolUsdPerHour: pools.map((p, i) => (hoursLeft) => (prices[i]?.at(atMs(hoursLeft)) ?? p.usdPerHour) + gridUsd(p.powerKw, hoursLeft)),
      onDemandUsdPerHour: (hoursLeft) => onDemandUsd + gridUsd(onDemandKw, hoursLeft),
      startHours,
      startMaxHours,
      launchFailureProbability,
      drift,
      mayShift,
      fromHours: toHours - chunkHours,
      toHours,
      maxSlackHours,
      tickHours: lookHours,
      cells: CELLS[pools.length] ?? 1000,
    }),
  );
  return { table, mayShift };
}

interface Rounded {
  readonly rates: readonly { readonly lossFactor: number; readonly returnFactor: number }[];
  /** Two of the same name are the same pools, as a table sees them. */
  readonly name: string;
}

const roundedPools = new WeakMap<readonly LearnedPool[], Rounded>();

/** What was learned is the same value for every job with these pools in this market; so is all that a table knows of them. */
function roundedOnce(learned: readonly LearnedPool[], pools: Situation['pools'], prices: readonly Ahead[]): Rounded {
  const known = roundedPools.get(learned);
  if (known !== undefined) return known;
  const rates = learned.map(({ lossFactor, returnFactor }) => ({
    lossFactor: rounded(lossFactor, RATE_STEP),
    returnFactor: rounded(returnFactor, RATE_STEP),
  }));
  const name = pools.map((p, i) => [rates[i]?.lossFactor, rates[i]?.returnFactor, prices[i]?.name, p.powerKw].join()).join('|');
  const made = { rates, name };
  roundedPools.set(learned, made);
  return made;
}

function remembered(name: string, make: () => Table): Table {
  const known = memory.get(name);
  if (known !== undefined) {
    memory.delete(name);
    memory.set(name, known);
    return known;
  }
  const made = make();
  memory.set(name, made);
  bytes += made.bytes;
  for (const [oldest, table] of memory) {
    if (bytes <= MOST_BYTES || oldest === name) break;
    memory.delete(oldest);
    bytes -= table.bytes;
  }
  return made;
}

function rounded(value: number, step: number): number {
  return Math.exp(Math.round(Math.log(value) / step) * step);
}
