// When to run, where only the hour is to be chosen: exact, and not undone by looking again.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forecastOf } from '../../src/engine/forecaster/forecast-of.ts';
import { shift, type ShiftQuestion } from '../../src/engine/policy/shift.ts';
import type { Series } from '../../src/engine/snapshot.ts';
import { type Random, random } from '../support/sim/random.ts';

/** Cheapest of all 2^n plans, steps charged whole. */
function exhaustive({ costs, work, start, startLeft, running, inPieces }: ShiftQuestion): number {
  let best = Infinity;
  for (let plan = 0; plan < 2 ** costs.length; plan++) {
    let left = work + (running ? startLeft : 0);
    let on = running;
    let usd = 0;
    let starts = 0;
    for (let k = 0; k < costs.length && left > 1e-9; k++) {
      const runs = (plan >> k) % 2 === 1;
      if (runs && !on) {
        left += start;
        starts += 1;
      }
      if (runs) {
        left -= 1;
        usd += costs[k] ?? 0;
      }
      on = runs;
      // In one piece: once it ran, it goes on.
      if (!inPieces && !runs && (running || starts > 0)) left = Infinity;
    }
    if (!inPieces && starts > (running ? 0 : 1)) continue;
    if (left <= 1e-9) best = Math.min(best, usd);
  }
  return best;
}

const questions = fc.record({
  costs: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 9 }),
  work: fc.constantFrom(0.4, 1, 2, 2.5, 4),
  start: fc.constantFrom(0, 0.1, 0.4, 1.3),
  startLeft: fc.constantFrom(0, 0.1),
  running: fc.boolean(),
  inPieces: fc.boolean(),
});

describe('shifting a job in time', () => {
  it('costs what the cheapest of all plans costs', () => {
    fc.assert(
      fc.property(questions, (question) => {
        const best = exhaustive(question);
        const answer = shift(question);
        if (best === Infinity) expect(answer).toBeNull();
        else expect(Math.min(answer?.runUsd ?? Infinity, answer?.waitUsd ?? Infinity)).toBeCloseTo(best, 9);
      }),
      { numRuns: 400 },
    );
  });

  it('starts no second time for less than a start costs', () => {
    const base = { work: 2, startLeft: 0, running: true, inPieces: true };
    expect(shift({ ...base, costs: [10, 10, 9.9, 10, 10], start: 1 })?.runNow).toBe(true);
    expect(shift({ ...base, costs: [10, 1, 1, 10, 10], start: 1 })?.runNow).toBe(true);
    expect(shift({ ...base, costs: [10, 1, 1, 1, 10], start: 1 })?.runNow).toBe(false);
  });

  it('says when it will begin', () => {
    expect(shift({ costs: [5, 4, 1, 1, 3], work: 2, start: 0, startLeft: 0, running: false, inPieces: false })).toMatchObject({
      runNow: false,
      firstStep: 2,
    });
  });
});

const HOUR = 3_600_000;
const STEP = HOUR / 2;

/** Three weeks of a grid with a day and weather that lasts, in half hours. */
function grid(chance: Random): readonly number[] {
  let weather = 0;
  const normal = (): number => chance.between(-1, 1) + chance.between(-1, 1) + chance.between(-1, 1);
  return Array.from({ length: 21 * 48 }, (_, i) => {
    weather = 0.985 * weather + 4 * normal();
    return Math.max(5, 150 + 40 * Math.sin((2 * Math.PI * i) / 48) + weather);
  });
}

/** What a job pays whose plan is made anew at each step, and one that keeps to its first plan. */
function twoWays(values: readonly number[], first: number, work: number, within: number): readonly [number, number] {
  const costsAt = (i: number, steps: number): readonly number[] => {
    const history: Series = { startMs: 0, stepMs: STEP, values: values.slice(0, i) };
    const ahead = forecastOf({ ...history, startMs: (i - 336) * STEP, values: history.values.slice(-336) }, i * STEP, values[i] ?? 0, undefined);
    return Array.from({ length: steps }, (_, k) => ahead((i + k + 0.5) * STEP)).with(0, values[i] ?? 0);
  };
  const planned = costsAt(first, within);
  const chosen = new Set([...planned.keys()].sort((a, b) => (planned[a] ?? 0) - (planned[b] ?? 0)).slice(0, work));
  let kept = 0;
  for (const k of chosen) kept += values[first + k] ?? 0;
  let left = work;
  let again = 0;
  for (let k = 0, running = false; left > 0; k++) {
    const answer = shift({ costs: costsAt(first + k, within - k), work: left, start: 0, startLeft: 0, running, inPieces: true });
    running = answer?.runNow ?? true;
    if (!running) continue;
    again += values[first + k] ?? 0;
    left -= 1;
  }
  return [kept, again];
}

describe('looking again with a forecast that is wrong each time', () => {
  it.each([
    [4, 24],
    [8, 48],
    [16, 48],
    [24, 96],
  ])('is no worse than the first plan, on average: %i steps of work within %i', (work, within) => {
    let kept = 0;
    let again = 0;
    for (let seed = 1; seed <= 6; seed++) {
      const values = grid(random(seed));
      for (let first = 7 * 48; first + within < values.length; first += 29) {
        const [a, b] = twoWays(values, first, work, within);
        kept += a;
        again += b;
      }
    }
    expect(again).toBeLessThanOrEqual(kept);
  });
});
