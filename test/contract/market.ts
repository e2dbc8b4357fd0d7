// The contract of the Market port: what any market promises. `market.test.ts` runs it on memory and on the local cluster's simulation.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { carbonGrams, costUsd } from '../../src/engine/energy.ts';
import type { UsageSegment } from '../../src/engine/record.ts';
import type { Offering } from '../../src/engine/snapshot.ts';
import type { Market, MeterAsk } from '../../src/ports.ts';
import { HOUR, MINUTE } from '../support/build.ts';

export interface MarketRig {
  readonly market: Market;
  nowMs(): number;
  /** Lets so much time of the record's clock pass. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

export function marketContract(kind: string, make: () => Promise<MarketRig>): void {
  describe(`market: ${kind}`, () => {
    let rig: MarketRig;
    beforeEach(async () => {
      rig = await make();
    });
    afterEach(() => rig.close());

    async function offered(capacityType: 'spot' | 'on-demand' = 'spot'): Promise<Offering> {
      const found = (await rig.market.view()).offerings.find((o) => o.capacityType === capacityType);
      if (found === undefined) throw new Error(`nothing is offered ${capacityType}`);
      return found;
    }
    const meter = ({ zone, instanceType, capacityType }: Offering, fromMs: number, toMs: number): Promise<readonly UsageSegment[]> => {
      const ask: MeterAsk = { zone, instanceType, capacityType, fromMs, toMs };
      return rig.market.meter(ask);
    };

    describe('view', () => {
      it('offers each zone, type and capacity type once, at a price that was read, and never in the future', async () => {
        const { offerings } = await rig.market.view();
        expect(offerings.length).toBeGreaterThan(1);
        expect(new Set(offerings.map((o) => `${o.zone} ${o.instanceType} ${o.capacityType}`)).size).toBe(offerings.length);
        for (const { priceUsdPerHour, pricedAtMs, facilityPowerKw } of offerings) {
          expect(priceUsdPerHour).toBeGreaterThan(0);
          expect(pricedAtMs).toBeLessThanOrEqual(rig.nowMs());
          expect(facilityPowerKw).toBeGreaterThan(0);
        }
        expect(new Set(offerings.map((o) => o.capacityType))).toEqual(new Set(['spot', 'on-demand']));
      });

      it('has the history of every spot price and of the grid, without the future', async () => {
        const { offerings, spotHistory, carbon } = await rig.market.view();
        const pools = offerings.filter((o) => o.capacityType === 'spot').map((o) => `${o.zone} ${o.instanceType}`);
        expect(spotHistory.map((h) => `${h.zone} ${h.instanceType}`).toSorted()).toEqual(pools.toSorted());
        for (const { startMs, stepMs, values } of [carbon.history, ...spotHistory.map((h) => h.priceUsdPerHour)]) {
          expect(startMs + stepMs * values.length).toBeLessThanOrEqual(rig.nowMs());
          expect(stepMs * values.length).toBeGreaterThanOrEqual(24 * HOUR);
          expect(values.filter((value) => value > 0).length).toBeGreaterThan(values.length / 2);
        }
      });

      it('has the grid now: how dirty, by which signal, from where, read when', async () => {
        const { carbon } = await rig.market.view();
        expect(carbon.gramsPerKwh).toBeGreaterThan(0);
        expect(['average', 'marginal']).toContain(carbon.signal);
        expect(carbon.source).not.toBe('');
        expect(carbon.readAtMs).toBeLessThanOrEqual(rig.nowMs());
      });

      it('says which parts of it are simulated', async () => {
        const { simulated, region } = await rig.market.view();
        for (const part of simulated) expect(['prices', 'availability', 'carbon']).toContain(part);
        expect(region).toMatch(/^[a-z]+-[a-z]+-\d$/);
      });

      it('is the same when it is asked for twice at one moment, and follows time', async () => {
        const before = await rig.market.view();
        expect(await rig.market.view()).toEqual(before);
        await rig.pass(3 * HOUR);
        const after = await rig.market.view();
        expect(after.offerings.map((o) => o.priceUsdPerHour)).not.toEqual(before.offerings.map((o) => o.priceUsdPerHour));
        expect(after.carbon.readAtMs).toBeGreaterThan(before.carbon.readAtMs);
      });
    });

    describe('meter', () => {
      it('covers what ran without a gap and without an overlap', async () => {
        const spot = await offered();
        const [fromMs, toMs] = [rig.nowMs() - 2 * HOUR + 1234, rig.nowMs() - 77];
        const usage = await meter(spot, fromMs, toMs);
        expect(usage[0]?.fromMs).toBe(fromMs);
        expect(usage.at(-1)?.toMs).toBe(toMs);
        for (const [i, segment] of usage.entries()) {
          expect(segment.toMs).toBeGreaterThan(segment.fromMs);
          if (i > 0) expect(segment.fromMs).toBe(usage[i - 1]?.toMs);
        }
      });

      it('of nothing costs nothing', async () => {
        expect(await meter(await offered(), rig.nowMs(), rig.nowMs())).toEqual([]);
      });

      it.each(['spot', 'on-demand'] as const)('has the price and the grid that were in force then, however long ago: %s', async (capacityType) => {
        const seen: { readonly atMs: number; readonly offer: Offering; readonly grams: number }[] = [];
        for (let i = 0; i < 4; i++) {
          seen.push({ atMs: rig.nowMs(), offer: await offered(capacityType), grams: (await rig.market.view()).carbon.gramsPerKwh });
          await rig.pass(2 * HOUR);
        }
        for (const { atMs, offer, grams } of seen)
          expect(await meter(offer, atMs, atMs + 1)).toEqual([
            {
              fromMs: atMs,
              toMs: atMs + 1,
              priceUsdPerHour: offer.priceUsdPerHour,
              facilityPowerKw: offer.facilityPowerKw,
              carbonGramsPerKwh: grams,
            },
          ]);
      });

      it('of two parts costs and emits what it does of the whole', async () => {
        const spot = await offered();
        const [fromMs, midMs, toMs] = [rig.nowMs() - 5 * HOUR, rig.nowMs() - 100 * MINUTE + 17, rig.nowMs()];
        const whole = await meter(spot, fromMs, toMs);
        const parts = [...(await meter(spot, fromMs, midMs)), ...(await meter(spot, midMs, toMs))];
        expect(costUsd(parts)).toBeCloseTo(costUsd(whole), 10);
        expect(carbonGrams(parts)).toBeCloseTo(carbonGrams(whole), 10);
        expect(costUsd(whole)).toBeGreaterThan(0);
      });

      it('of what lies ahead forecasts by the last value, and by what came once it has come', async () => {
        const spot = await offered();
        const [nowMs, { carbon }] = [rig.nowMs(), await rig.market.view()];
        const ahead = await meter(spot, nowMs - 10 * MINUTE, nowMs + 12 * HOUR);
        const future = ahead.filter((segment) => segment.toMs > nowMs);
        expect(ahead.at(-1)?.toMs).toBe(nowMs + 12 * HOUR);
        expect(new Set(future.map((s) => s.priceUsdPerHour))).toEqual(new Set([spot.priceUsdPerHour]));
        expect(new Set(future.map((s) => s.carbonGramsPerKwh))).toEqual(new Set([carbon.gramsPerKwh]));
        await rig.pass(12 * HOUR);
        const came = await meter(spot, nowMs, nowMs + 12 * HOUR);
        expect(new Set(came.map((s) => s.priceUsdPerHour)).size).toBeGreaterThan(1);
      });
    });
  });
}
