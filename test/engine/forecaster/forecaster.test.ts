// The trained forecast in the engine: what training exports is computed alike here, and whatever is wrong with a file, the 7-day mean
// takes over with the reason. The fixtures come from python/tests/make_parity.py.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { meanWithLevel } from '../../../src/engine/forecast.ts';
import { bandOf, forecastOf } from '../../../src/engine/forecaster/forecast-of.ts';
import type { ForecastModel } from '../../../src/engine/forecaster/model.ts';
import { readForecastModel } from '../../../src/engine/forecaster/parse.ts';
import { predict } from '../../../src/engine/forecaster/predict.ts';
import { windowOf } from '../../../src/engine/forecaster/window.ts';
import type { Series } from '../../../src/engine/snapshot.ts';

const HOUR = 3_600_000;
const TRAINED_TO = Date.UTC(2026, 2, 2);
const NOW = TRAINED_TO + 24 * HOUR;
const fixture = (base: string): string => readFileSync(new URL(`./parity-${base}.json`, import.meta.url), 'utf8');

interface Case {
  readonly hours: readonly number[];
  readonly current: number;
  readonly point: readonly number[];
  readonly quantiles: readonly (readonly number[])[];
}

function modelOf(base: string): ForecastModel {
  const read = readForecastModel(fixture(base), 'carbon', NOW);
  if ('refused' in read) throw new Error(read.refused);
  return read.model;
}

/** The fixture with something else in it. */
function changed(change: (document: Record<string, unknown>) => void): string {
  const document = JSON.parse(fixture('profile')) as Record<string, unknown>;
  change(document);
  return JSON.stringify(document);
}

function why(text: string, nowMs: number | null = NOW): string {
  const read = readForecastModel(text, 'carbon', nowMs);
  return 'refused' in read ? read.refused : 'used';
}

/** A day that repeats, in steps of any length, up to the step before `nowMs`. */
function days(stepMs: number, nowMs = NOW, count = 7): Series {
  const length = (count * 24 * HOUR) / stepMs;
  const startMs = Math.floor(nowMs / stepMs) * stepMs - length * stepMs;
  return { startMs, stepMs, values: Array.from({ length }, (_, i) => 100 + 30 * Math.sin((2 * Math.PI * ((startMs + i * stepMs) / HOUR)) / 24)) };
}

describe('a trained model', () => {
  it.each(['profile', 'last'])('forecasts what its trainer forecasts, to 1e-5 (%s)', (base) => {
    const model = modelOf(base);
    const { parity } = JSON.parse(fixture(base)) as { readonly parity: readonly Case[] };
    expect(model.base).toBe(base);
    expect(parity.length).toBeGreaterThan(2);
    for (const { hours, current, point, quantiles } of parity) {
      const mine = predict(model, { hours, current });
      point.forEach((value, h) => expect(Math.abs(mine.point(h + 1) - value)).toBeLessThan(1e-5));
      quantiles.forEach((row, q) => row.forEach((value, h) => expect(Math.abs(mine.quantile(q, h + 1) - value)).toBeLessThan(1e-5)));
    }
  });

  it('begins at the reading of now, goes on without a jump, and lies in its band', () => {
    const history = days(HOUR / 2);
    const model = modelOf('profile');
    const forecast = forecastOf(history, NOW, 180, model);
    const band = bandOf(history, NOW, 180, model);
    expect(forecast(NOW)).toBe(180);
    for (let h = 0; h < 60; h += 0.05) {
      expect(Math.abs(forecast(NOW + (h + 0.05) * HOUR) - forecast(NOW + h * HOUR))).toBeLessThan(6);
      const at = NOW + (h + 1) * HOUR;
      expect(band?.low(at)).toBeLessThanOrEqual(forecast(at) + 1e-9);
      expect(band?.high(at)).toBeGreaterThanOrEqual(forecast(at) - 1e-9);
    }
  });

  it('sees the same week in steps of a quarter, half and a whole hour', () => {
    const windows = [HOUR / 4, HOUR / 2, HOUR].map((stepMs) => windowOf(days(stepMs), NOW, 100));
    expect(windows.map((w) => w?.hours.length)).toEqual([168, 168, 168]);
    for (const w of windows)
      for (const [j, value] of (w?.hours ?? []).entries()) expect(Math.abs(value - (windows[2]?.hours[j] ?? 0))).toBeLessThan(6);
  });

  it('takes a reading that history knows already only once, and the newer one', () => {
    const history = days(HOUR);
    const both = { ...history, values: [...history.values, 90] };
    expect(windowOf(both, NOW, 95)?.hours.at(-1)).toBe(95);
    expect(windowOf(both, NOW, 95)?.hours).toEqual(windowOf(history, NOW, 95)?.hours);
    expect(windowOf(both, NOW, Number.NaN)?.hours.at(-1)).toBe(90);
  });
});

describe('a history with faults', () => {
  const gappy = (holes: (i: number) => boolean): Series => {
    const history = days(HOUR);
    return { ...history, values: history.values.map((v, i) => (holes(i) ? Number.NaN : v)) };
  };

  it('has its gaps bridged by the same hour of the other days', () => {
    const whole = windowOf(days(HOUR), NOW, 100)?.hours ?? [];
    const bridged = windowOf(
      gappy((i) => i % 9 === 4),
      NOW,
      100,
    )?.hours;
    expect(bridged).toHaveLength(168);
    for (const [j, value] of whole.entries()) expect(Math.abs((bridged?.[j] ?? 0) - value)).toBeLessThan(1e-6);
  });

  it.each([
    ['two days of gaps', gappy((i) => i < 48)],
    ['three days only', days(HOUR, NOW, 3)],
    ['a clock that has jumped two days ahead', days(HOUR, NOW - 48 * HOUR)],
  ])('is left to the 7-day mean: %s', (_, history) => {
    expect(windowOf(history, NOW, 100)).toBeNull();
    const at = NOW + 5 * HOUR;
    expect(forecastOf(history, NOW, 100, modelOf('profile'))(at)).toBe(meanWithLevel(history, NOW, 100)(at));
    expect(bandOf(history, NOW, 100, modelOf('profile'))).toBeNull();
  });

  it('never gives a forecast that is no number, or below 0', () => {
    for (const history of [
      days(HOUR),
      gappy((i) => i % 2 === 0),
      days(7 * 60_000),
      days(3 * HOUR),
      { ...days(HOUR), values: days(HOUR).values.map(() => 0) },
    ])
      for (const current of [0, 50, Number.NaN])
        for (const base of ['profile', 'last'])
          for (let h = -1; h < 80; h += 1.7) {
            const value = forecastOf(history, NOW, current, modelOf(base))(NOW + h * HOUR);
            expect(Number.isFinite(value) && value >= 0).toBe(true);
          }
  });
});

describe('a model file that is not used says why', () => {
  it.each([
    ['a file that is cut off', fixture('profile').slice(0, 900), 'not JSON'],
    ['something else', '{"weights": []}', 'not a forecast model of Nerve'],
    ['a list', '[1]', 'not a forecast model of Nerve'],
    ['a later format', changed((d) => (d['formatVersion'] = 2)), 'train it again'],
    ['a price model where carbon is asked for', changed((d) => (d['kind'] = 'price')), 'it forecasts price, not carbon'],
    ['no training span', changed((d) => delete d['trainingSpan']), 'what history'],
    ['no verdict', changed((d) => delete d['verdict']), 'no verdict'],
    ['a verdict against it', changed((d) => (d['verdict'] = { use: false, reason: 'it does not beat the mean' })), 'it does not beat the mean'],
    ['a weight too few', changed((d) => (d['model'] as { weights: number[][] }).weights[3]?.pop()), 'not of the announced shape'],
    ['a weight that is no number', changed((d) => ((d['model'] as { bias: unknown[] }).bias[0] = 'NaN')), 'not all numbers'],
    [
      'a horizon that its weights do not have',
      changed((d) => ((d['model'] as { horizonHours: number }).horizonHours = 13)),
      'not of the announced shape',
    ],
    ['a weight that was changed', changed((d) => ((d['model'] as { bias: number[] }).bias[0] = 0.5)), 'other forecasts'],
    ['no parity cases', changed((d) => (d['parity'] = [])), 'other forecasts'],
  ])('%s', (_, text, reason) => {
    expect(why(text)).toContain(reason);
  });

  it('a model whose history ended long ago, unless the past is replayed', () => {
    const later = TRAINED_TO + 121 * 24 * HOUR;
    expect(why(fixture('profile'), later)).toContain('ended 121 days ago');
    expect(why(fixture('profile'), later - 2 * 24 * HOUR)).toBe('used');
    expect(why(fixture('profile'), null)).toBe('used');
  });
});
