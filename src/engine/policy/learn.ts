// What the observed comings and goings of spot say about each pool: whether it is there, for how long it has been so, and how
// much faster or slower than usual (hazard.ts) it is lost and comes back. Counts over exposures with a prior: a pool that
// was watched for an hour is believed to be like the others, and all of them together to be usual.

import { crowdFactor, type HazardLaw, hazardUpTo, LOSS, RETURN } from './hazard.ts';
import type { AvailabilityHistory, MarketView } from '../snapshot.ts';

const HOUR_MS = 3_600_000;
/** How long the first known state had been going on is not known. */
const FIRST_AGE_HOURS = 1.5;
/** Weight of "as usual" for all pools, and of "like the others" for one, in events. */
const PRIOR_EVENTS = 10;

export interface LearnedPool {
  readonly up: boolean;
  /** Since it last changed. */
  readonly ageHours: number;
  /** Factors on the laws of hazard.ts. */
  readonly lossFactor: number;
  readonly returnFactor: number;
}

interface Tally {
  up: boolean;
  ageHours: number;
  losses: number;
  lossExposure: number;
  returns: number;
  returnExposure: number;
}

/** Instants and sets of pools, of one market. */
const MOST_REMEMBERED = 64;

const memory = new WeakMap<MarketView, Map<string, readonly LearnedPool[]>>();

/** The same for every job of one market: learned once. */
export function learnOnce(market: MarketView, histories: readonly AvailabilityHistory[], nowMs: number): readonly LearnedPool[] {
  const known = memory.get(market) ?? new Map<string, readonly LearnedPool[]>();
  memory.set(market, known);
  const key = `${nowMs}|${histories.map((h) => `${h.zone}/${h.instanceType}`).join()}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  // A market may live for thousands of looks, each at an instant of its own.
  if (known.size >= MOST_REMEMBERED) known.clear();
  const learned = learn(histories, nowMs);
  known.set(key, learned);
  return learned;
}

/** @internal exported for its tests */
export function learn(histories: readonly AvailabilityHistory[], nowMs: number): readonly LearnedPool[] {
  const tallies = histories.map(
    (h): Tally => ({
      up: h.availableAtFirst,
      ageHours: FIRST_AGE_HOURS,
      losses: 0,
      lossExposure: 0,
      returns: 0,
      returnExposure: 0,
    }),
  );
  const next = histories.map(() => 0);
  let atMs = Math.min(nowMs, ...histories.map((h) => h.observedFromMs));
  for (;;) {
    const changeMs = Math.min(nowMs, ...histories.map((h, i) => h.changesMs[next[i] ?? 0] ?? Infinity));
    expose(tallies, histories, atMs, changeMs);
    atMs = changeMs;
    let changed = false;
    histories.forEach((history, i) => {
      const tally = tallies[i];
      if (tally === undefined || (history.changesMs[next[i] ?? 0] ?? Infinity) > atMs) return;
      next[i] = (next[i] ?? 0) + 1;
      flip(tally, history.observedEveryMs / HOUR_MS / 2);
      changed = true;
    });
    if (!changed) break;
  }
  const usualLoss = pooled(tallies.map((t) => [t.losses, t.lossExposure]));
  const usualReturn = pooled(tallies.map((t) => [t.returns, t.returnExposure]));
  return tallies.map((t) => ({
    up: t.up,
    ageHours: t.ageHours,
    lossFactor: (PRIOR_EVENTS * usualLoss + t.losses) / (PRIOR_EVENTS + t.lossExposure),
    returnFactor: (PRIOR_EVENTS * usualReturn + t.returns) / (PRIOR_EVENTS + t.returnExposure),
  }));
}

function pooled(counts: readonly (readonly [number, number])[]): number {
  const events = counts.reduce((sum, [n]) => sum + n, PRIOR_EVENTS);
  return events / counts.reduce((sum, [, exposure]) => sum + exposure, PRIOR_EVENTS);
}

function flip(tally: Tally, ageHours: number): void {
  if (tally.up) tally.losses += 1;
  else tally.returns += 1;
  tally.up = !tally.up;
  tally.ageHours = ageHours;
}

/** Between two changes: everything grows older, and the hazard that it stood is added up. */
function expose(tallies: readonly Tally[], histories: readonly AvailabilityHistory[], fromMs: number, toMs: number): void {
  if (toMs <= fromMs) return;
  const up = tallies.filter((t) => t.up).length;
  tallies.forEach((tally, i) => {
    const seenMs = toMs - Math.max(fromMs, histories[i]?.observedFromMs ?? fromMs);
    if (seenMs <= 0) return;
    const law: HazardLaw = tally.up ? LOSS : RETURN;
    const grownHours = tally.ageHours + seenMs / HOUR_MS;
    const stood = (hazardUpTo(law, grownHours) - hazardUpTo(law, tally.ageHours)) * crowdFactor(law, up - (tally.up ? 1 : 0), tallies.length - 1);
    if (tally.up) tally.lossExposure += stood;
    else tally.returnExposure += stood;
    tally.ageHours = grownHours;
  });
}
