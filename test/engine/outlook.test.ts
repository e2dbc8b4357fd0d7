import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outlook, type Outlook, type Window, WINDOW_STEP_MS } from '../../src/engine/objective.ts';
import { HOUR, market, MINUTE, NOW, spec } from '../support/build.ts';

/** Every window made and compared with the best so far. */
function oneByOne(view: Outlook, fromMs: number, toMs: number, lengthMs: number): Window | null {
  let best: Window | null = null;
  for (let startMs = fromMs; startMs <= toMs; startMs += WINDOW_STEP_MS) {
    const window = view.bestFrom(startMs, lengthMs);
    if (window !== null && (best === null || window.objectiveUsd < best.objectiveUsd * 0.999)) best = window;
  }
  return best;
}

describe('the best window between two instants', () => {
  it('is found also where the deadline is thirty thousand years away', () => {
    const view = outlook(market({ spot: { 'euw3-az1': 0.3 } }), NOW, spec());
    expect(view.bestBetween(NOW, NOW + 1e15, HOUR)).toMatchObject({ zone: 'euw3-az1' });
  });

  it('is the one that is found by trying each', () => {
    const price = fc.option(fc.double({ min: 0.05, max: 0.7, noNaN: true }), { nil: null });
    const ask = fc.record({
      prices: fc.tuple(price, price, price),
      hours: fc.array(fc.double({ min: 0.05, max: 0.9, noNaN: true }), { minLength: 24, maxLength: 24 }),
      grid: fc.array(fc.integer({ min: 5, max: 600 }), { minLength: 24, maxLength: 24 }),
      carbonPrice: fc.constantFrom(0, 190, 100_000),
      fromMs: fc.integer({ min: 0, max: 3 * HOUR }),
      spanMs: fc.integer({ min: -HOUR, max: 90 * HOUR }),
      lengthMs: fc.integer({ min: MINUTE, max: 30 * HOUR }),
    });
    fc.assert(
      fc.property(ask, ({ prices, hours, grid, carbonPrice, fromMs, spanMs, lengthMs }) => {
        const spot = { 'euw3-az1': prices[0], 'euw3-az2': prices[1], 'euw3-az3': prices[2] };
        const view = outlook(
          market({ spot, shape: (hour) => hours[hour] ?? 0.3, carbonShape: (hour) => grid[hour] ?? 50 }),
          NOW,
          spec({ carbonPriceUsdPerTonne: carbonPrice }),
        );
        const found = view.bestBetween(NOW + fromMs, NOW + fromMs + spanMs, lengthMs);
        expect(found).toEqual(oneByOne(view, NOW + fromMs, NOW + fromMs + spanMs, lengthMs));
      }),
      { numRuns: 300, seed: 12 },
    );
  });
});
