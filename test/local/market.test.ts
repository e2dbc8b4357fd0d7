import { describe, expect, it } from 'vitest';
import { simulatedMarket } from '../../src/adapters/local/market.ts';
import { onDemandUsdPerHour, spotAvailable, spotUsdPerHour, TYPES, type Weather, ZONES } from '../../src/adapters/local/weather.ts';
import { costUsd } from '../../src/engine/energy.ts';
import type { Clock } from '../../src/ports.ts';

const HOUR = 3_600_000;
/** 18:00 in Paris. */
const EVENING = Date.parse('2026-11-24T18:00:00+01:00');
const clockAt = (nowMs: number): Clock => ({ speed: 1, nowMs: () => nowMs, realNowMs: () => nowMs, sleep: () => Promise.resolve() });
const calm = (seed: string): Weather => ({ seed, droughtFromMs: null });
const marketOf = (weather: Weather, nowMs = EVENING) => simulatedMarket(async () => weather, clockAt(nowMs));

describe('the simulated market', () => {
  it('says that it is simulated, part by part', async () => {
    const view = await marketOf(calm('a')).view();
    expect(view.simulated).toEqual(['prices', 'availability', 'carbon']);
    expect(view.carbon.source).toMatch(/simulated/);
  });

  it('is the same for the same seed, in every process, and another for another seed', async () => {
    expect(await marketOf(calm('a')).view()).toEqual(await marketOf(calm('a')).view());
    expect((await marketOf(calm('b')).view()).offerings).not.toEqual((await marketOf(calm('a')).view()).offerings);
  });

  it('has three zones with spot and on demand, and each type only where it is offered', async () => {
    const { offerings } = await marketOf(calm('a')).view();
    for (const zone of ZONES)
      for (const capacityType of ['spot', 'on-demand'])
        expect(offerings.filter((o) => o.zone === zone && o.capacityType === capacityType && o.instanceType === 'g4dn.xlarge')).toHaveLength(1);
    expect(offerings.some((o) => o.zone === 'euw3-az1' && o.instanceType === 'g6.xlarge')).toBe(false);
  });

  it('prices spot between a tenth and a half of on demand, and on average between a fifth and two fifths', () => {
    for (const [type, { onDemandUsdPerHour: full, spotShare }] of Object.entries(TYPES)) {
      const shares = ['a', 'b', 'c'].flatMap((seed) =>
        Object.keys(spotShare).flatMap((zone) =>
          Array.from({ length: 96 }, (_, i) => (spotUsdPerHour(calm(seed), zone, type, EVENING + i * (HOUR / 4)) ?? Number.NaN) / full),
        ),
      );
      expect(Math.min(...shares)).toBeGreaterThan(0.1);
      expect(Math.max(...shares)).toBeLessThan(0.5);
      const mean = shares.reduce((a, b) => a + b, 0) / shares.length;
      expect(mean).toBeGreaterThan(0.2);
      expect(mean).toBeLessThan(0.4);
    }
  });

  it('opens a cheaper window about four hours after 18:00, whatever the seed', () => {
    for (const seed of ['nerve', '1', '2', '3', 'paris']) {
      const at = (hours: number): number => spotUsdPerHour(calm(seed), 'euw3-az2', 'g4dn.xlarge', EVENING + hours * HOUR) ?? Number.NaN;
      expect(at(5) / at(0)).toBeLessThan(0.8);
      expect(at(2.5) / at(0)).toBeGreaterThan(0.9);
    }
  });

  it('has a grid between 25 and 80 g/kWh that is cleaner at night than in the evening', async () => {
    const night = await marketOf(calm('a'), EVENING + 10 * HOUR).view();
    const evening = await marketOf(calm('a'), EVENING + HOUR).view();
    expect(night.carbon.gramsPerKwh).toBeLessThan(evening.carbon.gramsPerKwh);
    for (const value of night.carbon.history.values) {
      expect(value).toBeGreaterThan(25);
      expect(value).toBeLessThan(80);
    }
  });

  it('has a week of history for every pool', async () => {
    const { spotHistory } = await marketOf(calm('a')).view();
    for (const { priceUsdPerHour } of spotHistory) {
      expect(priceUsdPerHour.values.length * priceUsdPerHour.stepMs).toBe(7 * 24 * HOUR);
      expect(priceUsdPerHour.startMs + 7 * 24 * HOUR).toBeLessThanOrEqual(EVENING);
      expect(priceUsdPerHour.values.every((v) => Number.isFinite(v) && v > 0)).toBe(true);
    }
  });

  it('has no spot anywhere in a drought, from its first moment on', () => {
    const weather: Weather = { seed: 'a', droughtFromMs: EVENING };
    for (const zone of ZONES) {
      expect(spotAvailable(weather, zone, 'g4dn.xlarge', EVENING)).toBe(false);
      expect(spotAvailable(weather, zone, 'g4dn.xlarge', EVENING + 100 * HOUR)).toBe(false);
    }
    expect(ZONES.some((zone) => spotAvailable(weather, zone, 'g4dn.xlarge', EVENING - 1))).toBe(true);
  });
});

describe('the meter', () => {
  const ask = { zone: 'euw3-az2', instanceType: 'g4dn.xlarge', fromMs: EVENING + 100_000, toMs: EVENING + 2 * HOUR + 1 } as const;
  const afterwards = marketOf(calm('a'), ask.toMs);

  it('covers what ran without a gap and without an overlap', async () => {
    const usage = await afterwards.meter({ ...ask, capacityType: 'spot' });
    expect(usage[0]?.fromMs).toBe(ask.fromMs);
    expect(usage.at(-1)?.toMs).toBe(ask.toMs);
    for (const [index, segment] of usage.entries()) if (index > 0) expect(segment.fromMs).toBe(usage[index - 1]?.toMs);
  });

  it('bills spot at the price that was shown at each moment', async () => {
    const usage = await afterwards.meter({ ...ask, capacityType: 'spot' });
    for (const { fromMs, toMs, priceUsdPerHour } of usage) {
      const { offerings } = await marketOf(calm('a'), toMs - 1).view();
      const shown = offerings.find((o) => o.zone === ask.zone && o.instanceType === ask.instanceType && o.capacityType === 'spot');
      expect(priceUsdPerHour).toBe(shown?.priceUsdPerHour);
      expect(fromMs).toBeLessThan(toMs);
    }
  });

  it('bills on demand at list price', async () => {
    const usage = await afterwards.meter({ ...ask, capacityType: 'on-demand' });
    expect(costUsd(usage)).toBeCloseTo(((ask.toMs - ask.fromMs) / HOUR) * (onDemandUsdPerHour('g4dn.xlarge') ?? 0), 10);
  });
});
