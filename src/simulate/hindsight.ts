// The optimum of somebody who knew the whole trace: dynamic programming backwards over ticks, what runs, and effective progress (time
// run less a start for each start). Exact among plans that do not leave a start unfinished. It keeps no limit on moves: a bound, no plan.

import type { Driver, Trace } from './replay.ts';

const EPSILON = 1e-9;

export function hindsight(trace: Trace): Driver {
  const plan = planOf(trace);
  return (obs) => plan[Math.round(obs.t / trace.scenario.tickSeconds)] ?? 'on-demand';
}

/** Placement of each tick. */
function planOf({ scenario, avail, price, carbon = [] }: Trace): readonly string[] {
  const { zones, tickSeconds, overheadSeconds, hours, deadlineHours } = scenario;
  const ticks = Math.floor((deadlineHours * 3600) / tickSeconds + EPSILON);
  // In parts of which both a tick and a start are whole multiples, where there are not too many; rounded against the plan where there are.
  const part = partOf(tickSeconds, overheadSeconds);
  const gain = Math.round(tickSeconds / part);
  const startParts = Math.ceil(overheadSeconds / part - EPSILON);
  const need = Math.ceil((hours * 3600) / part - EPSILON);
  const size = need + startParts + 1;
  const pause = zones.length + 1;
  const places = zones.length + 2;
  const kw = scenario.carbon?.kW ?? 0;
  const usdPerGram = (scenario.carbon?.usdPerKg ?? 0) / 1000;
  const costOf = (k: number, place: number): number => {
    const row = Math.min(k, avail.length - 1);
    if (place < zones.length && avail[row]?.[place] !== 1) return Infinity;
    const usd = place === zones.length ? scenario.onDemandPrice : (price[row]?.[place] ?? Infinity);
    return ((usd + kw * usdPerGram * (carbon[row] ?? 0)) * tickSeconds) / 3600;
  };
  // value[place][e]: cheapest way on from progress e (shifted by one start, so that it is never below 0) when `place` ran last.
  let next = Array.from({ length: places }, () => new Float64Array(size).fill(Infinity));
  for (const row of next) row[size - 1] = 0;
  const choices: Int8Array[][] = [];
  const at = (e: number): number => Math.min(size - 1, e);
  for (let k = ticks - 1; k >= 0; k--) {
    const costs = Array.from({ length: places }, (_, place) => (place === pause ? 0 : costOf(k, place)));
    const value = Array.from({ length: places }, () => new Float64Array(size));
    const choice = Array.from({ length: places }, () => new Int8Array(size));
    for (let e = 0; e < size; e++) {
      // Starting anew is the same from wherever it comes.
      let bestUsd = (next[pause] as Float64Array)[e] as number;
      let best = pause;
      const started = e + gain - startParts;
      for (let place = 0; place < pause; place++) {
        if (started < 0) break;
        const usd = (costs[place] as number) + ((next[place] as Float64Array)[at(started)] as number);
        if (usd < bestUsd - EPSILON) {
          bestUsd = usd;
          best = place;
        }
      }
      for (let from = 0; from < places; from++) {
        const staying = from === pause ? Infinity : (costs[from] as number) + ((next[from] as Float64Array)[at(e + gain)] as number);
        const stays = staying <= bestUsd + EPSILON && from !== pause;
        (value[from] as Float64Array)[e] = e === size - 1 ? 0 : stays ? staying : bestUsd;
        (choice[from] as Int8Array)[e] = stays ? from : best;
      }
    }
    choices[k] = choice;
    next = value;
  }
  // Nobody could be on time: least late is at once, on demand, which is what the driver does without a plan.
  if ((next[pause] as Float64Array)[startParts] === Infinity) return [];
  const plan: string[] = [];
  let place = pause;
  let progress = startParts;
  for (let k = 0; k < ticks && progress < size - 1; k++) {
    const chosen = choices[k]?.[place]?.[progress] ?? zones.length;
    if (chosen !== pause) progress = at(Math.max(0, progress + gain - (chosen === place ? 0 : startParts)));
    place = chosen;
    plan.push(chosen === pause ? 'pause' : chosen === zones.length ? 'on-demand' : `spot:${zones[chosen] ?? ''}`);
  }
  return plan;
}

const MOST_PARTS_A_TICK = 20;

function partOf(tickSeconds: number, overheadSeconds: number): number {
  for (let parts = 1; parts <= MOST_PARTS_A_TICK; parts++) {
    const part = tickSeconds / parts;
    if (Math.abs(overheadSeconds / part - Math.round(overheadSeconds / part)) < 1e-6) return part;
  }
  return tickSeconds / MOST_PARTS_A_TICK;
}
