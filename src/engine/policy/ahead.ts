// What an hour of running will cost, as a table sees it: the forecast as it was at the instant from which the table reaches
// to the deadline. Tables would be computed anew with every reading of the grid otherwise.

import { type Forecast, meanWithLevel } from '../forecast.ts';
import type { Series } from '../snapshot.ts';

const WEEK_MS = 7 * 24 * 3_600_000;

export interface Ahead {
  readonly at: Forecast;
  /** Two of the same name are the same forecast. */
  readonly name: string;
  /** It says that some hours will be better than others. */
  readonly varies: boolean;
}

/** The forecast of `history` as it stood at `asOfMs`; the value now where there is not a day of it. */
function aheadOf(history: Series | undefined, asOfMs: number, nowValue: number): Ahead {
  const constant: Ahead = { at: () => nowValue, name: String(nowValue), varies: false };
  if (history === undefined || history.values.length * history.stepMs < WEEK_MS / 7) return constant;
  const from = Math.max(0, Math.floor((asOfMs - WEEK_MS - history.startMs) / history.stepMs));
  const to = Math.min(history.values.length, Math.floor((asOfMs - history.startMs) / history.stepMs));
  const known: Series = { startMs: history.startMs + from * history.stepMs, stepMs: history.stepMs, values: history.values.slice(from, to) };
  if (known.values.length * known.stepMs < WEEK_MS / 7) return constant;
  const forecast = meanWithLevel(known, asOfMs, known.values.at(-1) ?? Number.NaN);
  return { at: forecast, name: `${known.startMs}:${fingerprint(known.values)}`, varies: true };
}

/** Instants and values of now, of one history. */
const MOST_REMEMBERED = 64;

const memory = new WeakMap<Series, Map<string, Ahead>>();

/** The same for every job of one market, and most of what its first look at 100,000 of them would cost: made once. */
export function aheadOnce(history: Series | undefined, asOfMs: number, nowValue: number): Ahead {
  if (history === undefined) return aheadOf(history, asOfMs, nowValue);
  const known = memory.get(history) ?? new Map<string, Ahead>();
  memory.set(history, known);
  const key = `${asOfMs}|${nowValue}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= MOST_REMEMBERED) known.clear();
  const made = aheadOf(history, asOfMs, nowValue);
  known.set(key, made);
  return made;
}

function fingerprint(values: readonly number[]): string {
  let sum = 0;
  let mixed = 0;
  for (const value of values) {
    sum += value;
    mixed = (mixed * 31 + value * 1000) % 1_000_003;
  }
  return `${values.length}:${sum}:${mixed}`;
}
