// What a quote says of its plan: window, cost expected and at worst, how likely spot alone is, and when it goes on demand.

import { describe, expect, it } from 'vitest';
import { quote } from '../../src/engine/quote.ts';
import { type RiskQuestion, riskOf } from '../../src/engine/risk.ts';
import { spotSafeUntilMs } from '../../src/engine/slack.ts';
import { fold } from '../../src/engine/fold.ts';
import { HOUR, market, NOW, record, SETTINGS, spec } from '../support/build.ts';

const question = (over: Partial<RiskQuestion> = {}): RiskQuestion => ({
  market: market(),
  settings: SETTINGS,
  zones: ['euw3-az1', 'euw3-az2', 'euw3-az3'],
  instanceType: 'g4dn.xlarge',
  startMs: NOW,
  nowMs: NOW,
  workMs: 3 * HOUR,
  startOverheadMs: SETTINGS.startOverheadMs,
  spotSafeUntilMs: NOW + 10 * HOUR,
  spotUsdPerHour: 0.2,
  onDemandUsdPerHour: 0.6,
  ...over,
});

describe('the risk of a plan on spot', () => {
  it('is the same for the same snapshot', () => {
    expect(riskOf(question())).toEqual(riskOf(question()));
  });

  it('falls with slack, and with the number of zones', () => {
    const chances = [0, 1, 3, 10, 40].map((hours) => riskOf(question({ spotSafeUntilMs: NOW + hours * HOUR })).spotAlone);
    for (const [i, chance] of chances.entries()) if (i > 0) expect(chance).toBeGreaterThanOrEqual((chances[i - 1] ?? 0) - 0.02);
    expect(chances.at(-1)).toBeGreaterThan(0.95);
    expect(chances[0]).toBeLessThan(0.6);
    const one = riskOf(question({ zones: ['euw3-az2'], spotSafeUntilMs: NOW + 2 * HOUR }));
    const three = riskOf(question({ spotSafeUntilMs: NOW + 2 * HOUR }));
    expect(three.spotAlone).toBeGreaterThan(one.spotAlone);
  });

  it('costs between all on spot and the worst, and the worst is on demand after all slack was lost', () => {
    for (const hours of [0, 2, 10]) {
      const risk = riskOf(question({ spotSafeUntilMs: NOW + hours * HOUR }));
      expect(risk.worstCostUsd).toBeCloseTo(hours * 0.2 + 3.05 * 0.6, 9);
      expect(risk.expectedCostUsd).toBeLessThanOrEqual(risk.worstCostUsd + 1e-9);
      expect(risk.expectedCostUsd).toBeGreaterThanOrEqual(3 * 0.2);
    }
  });

  it('says whether this market was watched', () => {
    expect(riskOf(question()).basis).toBe('typical');
    const watched = {
      zone: 'euw3-az2',
      instanceType: 'g4dn.xlarge',
      observedFromMs: NOW - 100 * HOUR,
      availableAtFirst: true,
      changesMs: [],
      observedEveryMs: 60_000,
    };
    const calm = riskOf(question({ market: { ...market(), availability: [watched] }, zones: ['euw3-az2'], spotSafeUntilMs: NOW + HOUR }));
    expect(calm.basis).toBe('observed');
    expect(calm.spotAlone).toBeGreaterThan(riskOf(question({ zones: ['euw3-az2'], spotSafeUntilMs: NOW + HOUR })).spotAlone);
  });
});

describe('a quote', () => {
  it('has the window, the risk, and the instant from which it is on demand', () => {
    const job = spec();
    const offer = quote(job, market(), SETTINGS, NOW);
    expect(offer.endMs).toBe(offer.plan.startMs + job.workMs + SETTINGS.startOverheadMs);
    expect(offer.risk?.onDemandFromMs).toBe(spotSafeUntilMs(fold(record([], job)), SETTINGS));
    expect(offer.carbonRangeGrams).toBeNull();
  });

  it('has no risk of spot where it starts on demand', () => {
    expect(quote(spec({ deadlineMs: NOW + 3 * HOUR + 12 * 60_000 }), market(), SETTINGS, NOW).risk).toBeNull();
  });

  it('weighs carbon as it is asked to', () => {
    const night = (hour: number): number => (hour >= 22 || hour < 5 ? 20 : 200);
    const view = market({ carbonShape: night, carbonNow: 200 });
    expect(quote(spec({ carbonPriceUsdPerTonne: 0 }), view, SETTINGS, NOW).plan.startMs).toBe(NOW);
    const green = quote(spec({ optimize: 'carbon', carbonPriceUsdPerTonne: 100_000 }), view, SETTINGS, NOW);
    expect(green.reason).toBe('greener-window-ahead');
    expect(green.plan.startMs).toBeGreaterThan(NOW + 4 * HOUR);
    expect(green.plan.expectedCarbonGrams).toBeLessThan((green.plan.carbonNowGrams ?? 0) / 2);
  });
});
