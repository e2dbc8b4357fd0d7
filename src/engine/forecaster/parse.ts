// Reads an exported model, or says why it is not used. A model decides when jobs run, so nothing about it is taken on trust: shape,
// numbers and verdict are looked at, and its own parity cases are computed again.

import type { ForecastKind, ForecastModel } from './model.ts';
import { predict } from './predict.ts';
import { WEEK_HOURS } from './window.ts';

const FORMAT = 'nerve-forecast-model';
const FORMAT_VERSION = 1;
const FEATURES = WEEK_HOURS + 1;
const MOST_HORIZON_HOURS = 168;
const DAY_MS = 86_400_000;
/** A grid changes with its seasons and its power stations: history that ended longer ago says too little. */
const OLDEST_DAYS = 120;
const TOLERANCE = 1e-5;

export type ReadModel = { readonly model: ForecastModel } | { readonly refused: string };

type Dictionary = Readonly<Record<string, unknown>>;

/** `nowMs` null: of any age (benchmarks replay the past). */
export function readForecastModel(text: string, kind: ForecastKind, nowMs: number | null): ReadModel {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return refuse('it is not JSON, or only a part of it');
  }
  if (!isDictionary(document) || document['format'] !== FORMAT) return refuse('it is not a forecast model of Nerve');
  if (document['formatVersion'] !== FORMAT_VERSION)
    return refuse(`its format version is ${say(document['formatVersion'])}, and this Nerve reads version ${FORMAT_VERSION}: train it again`);
  if (document['kind'] !== kind) return refuse(`it forecasts ${say(document['kind'])}, not ${kind}`);
  const { trainingSpan, verdict, model } = document;
  const trainedToMs = isDictionary(trainingSpan) ? instantOf(trainingSpan['to']) : Number.NaN;
  if (!Number.isFinite(trainedToMs)) return refuse('it does not say what history it was trained on');
  if (nowMs !== null && nowMs - trainedToMs > OLDEST_DAYS * DAY_MS)
    return refuse(
      `the history it was trained on ended ${Math.floor((nowMs - trainedToMs) / DAY_MS)} days ago, and ${OLDEST_DAYS} is the most: train it again`,
    );
  if (!isDictionary(verdict) || typeof verdict['use'] !== 'boolean') return refuse('it carries no verdict on the last weeks');
  const reason = typeof verdict['reason'] === 'string' ? verdict['reason'] : 'no reason given';
  if (!verdict['use']) return refuse(reason);
  const read = isDictionary(model) ? weightsOf(model, kind, trainedToMs, reason) : null;
  if (read === null) return refuse('its weights are not of the announced shape, or not all numbers');
  return differs(read, document['parity']) ? refuse('this Nerve computes other forecasts with it than its trainer did') : { model: read };
}

const refuse = (refused: string): ReadModel => ({ refused });

const isDictionary = (value: unknown): value is Dictionary => typeof value === 'object' && value !== null && !Array.isArray(value);

const say = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : 'not given');

function weightsOf(model: Dictionary, kind: ForecastKind, trainedToMs: number, verdict: string): ForecastModel | null {
  const { horizonHours, base, windowHours } = model;
  if (windowHours !== WEEK_HOURS || (base !== 'profile' && base !== 'last')) return null;
  if (typeof horizonHours !== 'number' || !Number.isInteger(horizonHours) || horizonHours < 1 || horizonHours > MOST_HORIZON_HOURS) return null;
  const quantiles = numbers(model['quantiles'], null);
  const weights = matrix(model['weights'], horizonHours, FEATURES);
  const bias = numbers(model['bias'], horizonHours);
  if (quantiles === null || weights === null || bias === null) return null;
  if (quantiles.length === 0 || quantiles.some((q, i) => q <= 0 || q >= 1 || q <= (quantiles[i - 1] ?? 0))) return null;
  const offset = matrix(model['offset'], quantiles.length, horizonHours);
  const slope = matrix(model['slope'], quantiles.length, horizonHours);
  if (offset === null || slope === null) return null;
  return { kind, horizonHours, base, weights, bias, quantiles, offset, slope, trainedToMs, verdict };
}

function numbers(value: unknown, length: number | null): readonly number[] | null {
  if (!Array.isArray(value) || (length !== null && value.length !== length)) return null;
  return value.every((v): v is number => typeof v === 'number' && Number.isFinite(v)) ? value : null;
}

function matrix(value: unknown, rows: number, columns: number): readonly (readonly number[])[] | null {
  if (!Array.isArray(value) || value.length !== rows) return null;
  const read = value.map((row) => numbers(row, columns));
  return read.every((row) => row !== null) ? read : null;
}

/** No cases, and nobody can say that both compute the same. */
function differs(model: ForecastModel, parity: unknown): boolean {
  if (!Array.isArray(parity) || parity.length === 0) return true;
  return parity.some((one: unknown) => {
    if (!isDictionary(one)) return true;
    const hours = numbers(one['hours'], WEEK_HOURS);
    const point = numbers(one['point'], model.horizonHours);
    const quantiles = matrix(one['quantiles'], model.quantiles.length, model.horizonHours);
    const { current } = one;
    if (hours === null || point === null || quantiles === null || typeof current !== 'number') return true;
    const mine = predict(model, { hours, current });
    const far = (a: number, b: number): boolean => !(Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(b)));
    return point.some((v, h) => far(mine.point(h + 1), v)) || quantiles.some((row, q) => row.some((v, h) => far(mine.quantile(q, h + 1), v)));
  });
}

/** RFC 3339 in UTC, as the exporter writes it; NaN otherwise. The engine has no `Date`. */
function instantOf(value: unknown): number {
  const parts = typeof value === 'string' ? /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z$/.exec(value) : null;
  if (parts === null) return Number.NaN;
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [number, number, number, number, number, number];
  // Days since 1970-01-01 of the Gregorian calendar, years beginning in March.
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const days = 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
  return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000;
}
