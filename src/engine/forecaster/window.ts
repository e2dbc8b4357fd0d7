// What a model sees of a series: the last 168 hours as hourly means, and the reading of now. The last hour ends at the edge: the
// end of the step in which now lies. The same as python/nerve_forecaster/windows.py; change one, change both.

import type { Series } from '../snapshot.ts';

const HOUR_MS = 3_600_000;
export const WEEK_HOURS = 168;
export const DAY_HOURS = 24;
const RECENT_HOURS = 6;
/** More gaps than this share of the week, or none known of the last six hours, and there is no window. */
const MOST_GAPS = 0.2;

export interface Window {
  /** Oldest first, no gaps. */
  readonly hours: readonly number[];
  readonly current: number;
  readonly edgeMs: number;
  readonly stepMs: number;
}

/** Null: too little is known for a model. `current`: the reading of now, NaN if there is none. */
export function windowOf(history: Series, nowMs: number, current: number): Window | null {
  const { startMs, stepMs } = history;
  if (!(stepMs > 0)) return null;
  const now = Math.floor((nowMs - startMs) / stepMs);
  const edgeMs = startMs + (now + 1) * stepMs;
  // History may know the step of now already; a reading is newer.
  const valueAt = (slot: number): number => (slot === now && Number.isFinite(current) ? current : (history.values[slot] ?? Number.NaN));
  const hours = filled(Array.from({ length: WEEK_HOURS }, (_, j) => hourly(valueAt, stepMs, now, WEEK_HOURS - 1 - j)));
  const last = hours?.at(-1);
  if (hours === null || last === undefined) return null;
  const reading = valueAt(now);
  return { hours, current: Number.isFinite(reading) ? reading : last, edgeMs, stepMs };
}

/** Mean of the hour that ends `back` hours before the edge; NaN where nothing of it is known. */
function hourly(valueAt: (slot: number) => number, stepMs: number, now: number, back: number): number {
  if (stepMs > HOUR_MS) return valueAt(now - Math.floor(((back + 0.5) * HOUR_MS) / stepMs));
  const perHour = Math.round(HOUR_MS / stepMs);
  let sum = 0;
  let known = 0;
  for (let i = 0; i < perHour; i++) {
    const value = valueAt(now - back * perHour - i);
    if (!Number.isFinite(value)) continue;
    sum += value;
    known += 1;
  }
  return known === 0 ? Number.NaN : sum / known;
}

/** A gap is bridged by the mean of the same hour on the other days, else by the week's mean. */
function filled(hours: readonly number[]): readonly number[] | null {
  const known = hours.filter((v) => Number.isFinite(v));
  const recent = hours.slice(-RECENT_HOURS).some((v) => Number.isFinite(v));
  if (known.length < (1 - MOST_GAPS) * hours.length || !recent) return null;
  if (known.length === hours.length) return hours;
  const overall = mean(known);
  return hours.map((value, j) => {
    if (Number.isFinite(value)) return value;
    const same = hours.filter((v, i) => i % DAY_HOURS === j % DAY_HOURS && Number.isFinite(v));
    return same.length > 0 ? mean(same) : overall;
  });
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
