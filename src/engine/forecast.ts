// The forecast without a model: 7-day mean by time of day, with level correction. The mean says what the hour is
// usually like; the level (error of the newest reading) says that it is dearer or greener than usual now, and fades over two days.
// Gaps are NaN and are left out; a history shorter than a day is no history: the last value persists.
//
// Surprise: a smoother level (mean error of six hours) forecasts no worse and decides worse. What is known now and what is expected
// must fit together at the seam, else a job whose hour happens to be above the smooth curve is put off for nothing.

import type { Series } from './snapshot.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LEVEL_FADE_MS = 48 * HOUR_MS;

export type Forecast = (atMs: number) => number;

/** `currentValue` is the newest known value (NaN if none); the answer is never NaN unless nothing at all is known. */
export function meanWithLevel(history: Series, nowMs: number, currentValue: number): Forecast {
  const slots = Math.round(DAY_MS / history.stepMs);
  const means = meanBySlot(history, slots);
  const known = history.values.filter((v) => Number.isFinite(v));
  const overall = mean(known);
  const persisted = Number.isFinite(currentValue) ? currentValue : (known.at(-1) ?? Number.NaN);
  if (known.length < slots) return () => persisted;

  const usual = (atMs: number): number => {
    const value = means[slotOf(atMs, history.stepMs, slots)];
    return value !== undefined && Number.isFinite(value) ? value : overall;
  };
  const newestMs = Number.isFinite(currentValue)
    ? nowMs
    : history.startMs + (history.values.findLastIndex((v) => Number.isFinite(v)) + 0.5) * history.stepMs;
  const level = persisted - usual(newestMs);
  // A level is no reason to expect what the week has never seen.
  const lowest = Math.max(
    0,
    known.reduce((a, b) => Math.min(a, b), persisted),
  );
  return (atMs) => Math.max(lowest, usual(atMs) + level * Math.exp(-Math.max(0, atMs - nowMs) / LEVEL_FADE_MS));
}

function meanBySlot(history: Series, slots: number): number[] {
  const sums = new Array<number>(slots).fill(0);
  const counts = new Array<number>(slots).fill(0);
  history.values.forEach((value, index) => {
    if (!Number.isFinite(value)) return;
    const slot = slotOf(history.startMs + index * history.stepMs, history.stepMs, slots);
    sums[slot] = (sums[slot] ?? 0) + value;
    counts[slot] = (counts[slot] ?? 0) + 1;
  });
  return sums.map((sum, slot) => (counts[slot] ? sum / counts[slot] : Number.NaN));
}

const slotOf = (atMs: number, stepMs: number, slots: number): number => ((Math.floor(atMs / stepMs) % slots) + slots) % slots;

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
