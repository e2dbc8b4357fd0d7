import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import { illegalOrder } from '../../src/engine/fold.ts';
import { quote } from '../../src/engine/quote.ts';
import type { JobEvent, UsageSegment } from '../../src/engine/record.ts';
import { report } from '../../src/engine/report.ts';
import type { MarketView } from '../../src/engine/snapshot.ts';
import { HOUR, launched, market, MINUTE, NOW, offering, record, SETTINGS, spec } from '../support/build.ts';

const zones = ['euw3-az1', 'euw3-az2', 'euw3-az3'] as const;
const price = fc.option(fc.double({ min: 0.05, max: 0.7, noNaN: true }), { nil: null });
const anyMarket = fc
  .record({
    prices: fc.tuple(price, price, price),
    night: fc.double({ min: 0.05, max: 0.6, noNaN: true }),
    carbon: fc.integer({ min: 5, max: 600 }),
    od: fc.boolean(),
  })
  .map(({ prices, night, carbon, od }) =>
    market({
      spot: Object.fromEntries(zones.map((zone, i) => [zone, prices[i] ?? null])),
      shape: (hour) => (hour >= 22 || hour < 5 ? night : 0.3),
      carbonNow: carbon,
      onDemandAvailable: od,
    }),
  );
const anySpec = fc
  .record({
    workMs: fc.integer({ min: 10 * MINUTE, max: 20 * HOUR }),
    slackMs: fc.integer({ min: 15 * MINUTE, max: 30 * HOUR }),
    carbonPrice: fc.constantFrom(0, 190, 5000),
  })
  .map(({ workMs, slackMs, carbonPrice }) => spec({ workMs, deadlineMs: NOW + workMs + slackMs, carbonPriceUsdPerTonne: carbonPrice }));

describe('decide', () => {
  it('never lets a feasible job start after its latest start time, whatever the market does', () => {
    fc.assert(
      fc.property(anySpec, fc.array(anyMarket, { minLength: 4, maxLength: 8 }), (job, markets) => {
        const events: JobEvent[] = [];
        let nowMs = NOW;
        const asked = quote(job, markets[0] as MarketView, SETTINGS, NOW);
        fc.pre(asked.feasible);
        for (let i = 0; i < 400; i++) {
          const view = markets[i % markets.length] as MarketView;
          const [decision] = decide({ nowMs, market: view, settings: SETTINGS, jobs: [{ record: record(events, job), attempts: [] }] });
          if (decision?.do === 'launch') {
            expect(nowMs).toBeLessThanOrEqual(asked.latestStartMs);
            return;
          }
          if (decision?.do !== 'hold') throw new Error(`unexpected ${decision?.do}`);
          expect(decision.wakeAtMs).toBeGreaterThan(nowMs);
          events.splice(0, events.length, { type: 'planned', atMs: nowMs, why: decision.why, reason: decision.reason, plan: decision.plan });
          nowMs = decision.wakeAtMs;
        }
        throw new Error('it was never started');
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it('says the same twice, and the same for a job alone as among others', () => {
    fc.assert(
      fc.property(fc.array(anySpec, { minLength: 1, maxLength: 5 }), anyMarket, (jobs, view) => {
        const views = jobs.map((job, i) => ({ record: record([], { ...job, id: `j-${i}` }), attempts: [] }));
        const rules = { nowMs: NOW, market: view, settings: SETTINGS };
        const whole = decide({ ...rules, jobs: views });
        expect(decide({ ...rules, jobs: views })).toEqual(whole);
        expect(views.flatMap((job) => decide({ ...rules, market: structuredClone(view), jobs: [job] }))).toEqual(whole);
      }),
      { numRuns: 100, seed: 8 },
    );
  });

  it('ranks by price alone when carbon has no price', () => {
    fc.assert(
      fc.property(anySpec, anyMarket, fc.array(fc.double({ min: 0.01, max: 3, noNaN: true }), { minLength: 6, maxLength: 6 }), (job, view, power) => {
        const powered = { ...view, offerings: view.offerings.map((o, i) => ({ ...o, facilityPowerKw: power[i] ?? 1 })) };
        const [decision] = decide({
          nowMs: NOW,
          market: powered,
          settings: SETTINGS,
          jobs: [{ record: record([], { ...job, carbonPriceUsdPerTonne: 0 }), attempts: [] }],
        });
        fc.pre(decision?.do === 'launch');
        const prices = decision?.do === 'launch' ? decision.ranked.map((p) => p.priceUsdPerHour ?? Number.POSITIVE_INFINITY) : [];
        expect(prices).toEqual([...prices].sort((a, b) => a - b));
      }),
      { numRuns: 200, seed: 9 },
    );
  });
});

describe('quote', () => {
  it('never gets dearer (beyond the hold threshold) because a cheaper offering was added', () => {
    fc.assert(
      fc.property(anySpec, anyMarket, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (base, view, factor) => {
        const job = { ...base, carbonPriceUsdPerTonne: 0 };
        const available = view.offerings.filter((o) => o.capacityType === 'spot' && o.available && o.priceUsdPerHour < 0.615);
        const cheapest = Math.min(0.615, ...available.map((o) => o.priceUsdPerHour));
        const added = offering('euw3-az4', 'spot', cheapest * factor);
        // A constant history at its own price: the new zone is cheaper now and later.
        const history = { zone: 'euw3-az4', instanceType: 'g4dn.xlarge', priceUsdPerHour: { startMs: 0, stepMs: HOUR, values: [] } };
        const more = { ...view, offerings: [...view.offerings, added], spotHistory: [...view.spotHistory, history] };
        const before = quote(job, view, SETTINGS, NOW);
        const after = quote(job, more, SETTINGS, NOW);
        expect(after.plan.expectedCostUsd).toBeLessThanOrEqual((before.plan.expectedCostUsd ?? Number.NaN) / (1 - SETTINGS.minHoldSaving) + 1e-9);
      }),
      { numRuns: 300, seed: 10 },
    );
  });
});

const segment = fc
  .record({
    fromMs: fc.integer({ min: 0, max: 5 * HOUR }),
    lengthMs: fc.integer({ min: 0, max: HOUR }),
    price: fc.double({ min: 0, max: 5, noNaN: true }),
    grams: fc.integer({ min: 0, max: 900 }),
  })
  .map(
    ({ fromMs, lengthMs, price: usd, grams }): UsageSegment => ({
      fromMs: NOW + fromMs,
      toMs: NOW + fromMs + lengthMs,
      priceUsdPerHour: usd,
      facilityPowerKw: 0.1,
      carbonGramsPerKwh: grams,
    }),
  );

describe('report', () => {
  it('costs what its events add up to', () => {
    fc.assert(
      fc.property(fc.array(fc.array(segment, { maxLength: 4 }), { minLength: 1, maxLength: 5 }), (attempts) => {
        const events = attempts.flatMap((usage, i): JobEvent[] => [
          launched(i + 1),
          {
            type: 'ended',
            atMs: NOW,
            attempt: i + 1,
            cause: 'interrupted',
            reason: 'node-vanished',
            exitCode: null,
            usage,
            lostWorkMs: 0,
            progress: null,
            logTail: null,
          },
        ]);
        let expected = 0;
        for (const usage of attempts) for (const s of usage) expected += ((s.toMs - s.fromMs) / HOUR) * s.priceUsdPerHour;
        expect(report(record(events)).costUsd).toBeCloseTo(expected, 9);
      }),
      { numRuns: 200, seed: 11 },
    );
  });
});

describe('the legal order of a record', () => {
  it('refuses a second attempt while the first goes on, and anything after the end of an attempt', () => {
    const submitted = record().events;
    expect(illegalOrder([...submitted, launched(1), launched(2)])).toMatch('while attempt 1 goes on');
    expect(illegalOrder([...submitted, launched(2)])).toMatch('after attempt 0');
    expect(illegalOrder([])).toMatch('does not open');
    expect(illegalOrder([...submitted, launched(1)])).toBeNull();
  });
});
