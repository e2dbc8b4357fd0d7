// What an hour of running will cost, as a table sees it: the forecast as it was at the instant from which the table reaches
// to the deadline. Tables would be computed anew with every reading of the grid otherwise.

import type { Forecast } from '../forecast.ts';
import { forecastOf } from '../forecaster/forecast-of.ts';
import type { ForecastModel } from '../forecaster/model.ts';
import type { Series } from '../snapshot.ts';

const DAY_MS = 24 * 3_600_000;
const WEEK_MS = 7 * DAY_MS;

export interface Ahead {
  readonly at: Forecast;
  /** Two of the same name are the same forecast. */
  readonly name: string;
  /** It says that some hours will be better than others. */
  readonly varies: boolean;
}

/**
 * The forecast of `history` as it stood at `asOfMs`; the value now where there is not a day of it. `reading`: that of the step in
 * which `asOfMs` lies, where the forecast is to know it already.
 */
export function aheadOf(history: Series | undefined, asOfMs: number, nowValue: number, model?: ForecastModel, reading: number | null = null): Ahead {
  const constant: Ahead = { at: () => nowValue, name: String(nowValue), varies: false };
  if (history === undefined || history.values.length * history.stepMs < DAY_MS) return constant;
  const { startMs, stepMs } = history;
  const to = Math.min(history.values.length, Math.floor((asOfMs - startMs) / stepMs + 1e-9));
  const from = Math.max(0, to - Math.ceil(WEEK_MS / stepMs));
  const known: Series = { startMs: startMs + from * stepMs, stepMs, values: history.values.slice(from, to) };
  if (known.values.length * stepMs < DAY_MS) return constant;
  const endMs = startMs + to * stepMs;
  // Made when it is asked: most looks find their table by name.
  let made: Forecast | null = null;
  const at: Forecast = (atMs) => {
    made ??= reading === null ? forecastOf(known, endMs - 1, known.values.at(-1) ?? Number.NaN, model) : forecastOf(known, asOfMs, reading, model);
    return made(atMs);
  };
  return { at, name: `${known.startMs}:${fingerprint(known.values)}:${reading ?? ''}:${trainedName(model)}`, varies: true };
}

/** Instants and values of now, of one history. */
const MOST_REMEMBERED = 64;

const memory = new WeakMap<Series, Map<string, Ahead>>();

/** The same for every job of one market, and most of what its first look at 100,000 of them would cost: made once. */
export function aheadOnce(history: Series | undefined, asOfMs: number, nowValue: number, model?: ForecastModel): Ahead {
  if (history === undefined) return aheadOf(history, asOfMs, nowValue);
  const known = memory.get(history) ?? new Map<string, Ahead>();
  memory.set(history, known);
  const key = `${asOfMs}|${nowValue}|${trainedName(model)}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= MOST_REMEMBERED) known.clear();
  const made = aheadOf(history, asOfMs, nowValue, model);
  known.set(key, made);
  return made;
}

const trainedName = (model: ForecastModel | undefined): string => (model === undefined ? '' : `${model.trainedToMs}:${fingerprint(model.bias)}`);

function fingerprint(values: readonly number[]): string {
  let sum = 0;
  let mixed = 0;
  for (const value of values) {
    sum += value;
    mixed = (mixed * 31 + value * 1000) % 1_000_003;
  }
  return `${values.length}:${sum}:${mixed}`;
}
