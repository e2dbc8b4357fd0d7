// A model at work: python/nerve_forecaster/model.py in plain arithmetic (parity to 1e-5 is tested on cases that training exports).

import type { ForecastModel } from './model.ts';
import { DAY_HOURS, type Window } from './window.ts';

const LEVEL_FADE_HOURS = 48;
/** Past the horizon the last correction fades like the level. */
const CORRECTION_FADE_HOURS = 24;
const LEAST_SPREAD = 0.02;

export interface Predicted {
  /** Of hour 1, 2, ... after the edge; any hour may be asked for. */
  readonly point: (hour: number) => number;
  /** The quantile of that index. */
  readonly quantile: (index: number, hour: number) => number;
}

export function predict(model: ForecastModel, { hours, current }: Pick<Window, 'hours' | 'current'>): Predicted {
  const mean = hours.reduce((a, b) => a + b, 0) / hours.length;
  const variance = hours.reduce((sum, v) => sum + (v - mean) ** 2, 0) / hours.length;
  const spread = Math.max(Math.sqrt(variance), LEAST_SPREAD * Math.abs(mean), 1e-9);
  const x = [...hours, current].map((v) => (v - mean) / spread);
  const profile = profileOf(hours);
  const base = baseOf(model, hours, current, profile);
  const correction = model.weights.map((row, h) => spread * (dot(row, x) + (model.bias[h] ?? 0)));
  const volatility = volatilityOf(hours, profile) / spread;
  const last = correction.length;
  const raw = (hour: number): number => {
    const learned = correction[hour - 1] ?? (correction[last - 1] ?? 0) * Math.exp(-(hour - last) / CORRECTION_FADE_HOURS);
    return base(hour) + learned;
  };
  return {
    point: (hour) => Math.max(0, raw(hour)),
    quantile: (index, hour) => {
      const at = Math.min(hour, last) - 1;
      const heads = model.quantiles.map((_, q) => (model.offset[q]?.[at] ?? 0) + (model.slope[q]?.[at] ?? 0) * volatility);
      heads.sort((a, b) => a - b);
      return Math.max(0, raw(hour) + spread * (heads[index] ?? 0));
    },
  };
}

/** Mean of each hour of the day; index 0 is the hour after the edge. */
function profileOf(hours: readonly number[]): readonly number[] {
  const days = hours.length / DAY_HOURS;
  return Array.from({ length: DAY_HOURS }, (_, hour) => {
    let sum = 0;
    for (let day = 0; day < days; day++) sum += hours[hour + DAY_HOURS * day] ?? 0;
    return sum / days;
  });
}

function baseOf({ base }: ForecastModel, hours: readonly number[], current: number, profile: readonly number[]): (hour: number) => number {
  if (base === 'last') return () => current;
  const level = (hours.at(-1) ?? 0) - (profile.at(-1) ?? 0);
  return (hour) => (profile[(hour - 1) % DAY_HOURS] ?? 0) + level * Math.exp(-hour / LEVEL_FADE_HOURS);
}

/** How far the last day was from its profile. */
function volatilityOf(hours: readonly number[], profile: readonly number[]): number {
  let sum = 0;
  for (let j = 1; j <= DAY_HOURS; j++) sum += Math.abs((hours.at(-j) ?? 0) - (profile.at(-j) ?? 0));
  return sum / DAY_HOURS;
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
