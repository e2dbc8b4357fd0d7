// The contract of the Leadership port: a lock that only saves work. `leadership.test.ts` runs it on memory and on Redis.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Leadership } from '../../src/ports.ts';

export interface LeadershipRig {
  /** Three processes that compete for one lock. */
  readonly first: Leadership;
  readonly second: Leadership;
  readonly third: Leadership;
  /** As if the leader had not been heard of for so long that its lock ran out. */
  expire(): Promise<void>;
  /** Ms of the lock's life that are left; null: nobody holds it. */
  leftMs(): Promise<number | null>;
  close(): Promise<void>;
}

export function leadershipContract(store: string, make: () => Promise<LeadershipRig>): void {
  describe(`leadership in ${store}`, () => {
    let rig: LeadershipRig;
    beforeEach(async () => {
      rig = await make();
    });
    afterEach(() => rig.close());
    const epochOf = async (one: Leadership): Promise<number> => (await one.lead()) ?? Number.NaN;

    it('goes to the first who asks, and to nobody else', async () => {
      expect(await rig.first.lead()).toEqual(expect.any(Number));
      expect(await rig.second.lead()).toBeNull();
      expect(await rig.third.lead()).toBeNull();
    });

    it('goes to exactly one of three who ask at once', async () => {
      const answers = await Promise.all([rig.first.lead(), rig.second.lead(), rig.third.lead()]);
      expect(answers.filter((epoch) => epoch !== null)).toHaveLength(1);
    });

    it('is renewed by asking again: the same epoch, a whole life of the lock', async () => {
      const epoch = await epochOf(rig.first);
      const before = (await rig.leftMs()) ?? 0;
      await expect.poll(() => rig.leftMs(), { interval: 5 }).toBeLessThan(before - 400);
      expect(await rig.first.lead()).toBe(epoch);
      expect(await rig.leftMs()).toBeGreaterThan(before - 200);
      expect(await rig.second.lead()).toBeNull();
    });

    it('that was resigned is free at once, and its next holder has a higher epoch', async () => {
      const epoch = await epochOf(rig.first);
      await rig.first.resign();
      expect(await rig.leftMs()).toBeNull();
      expect(await epochOf(rig.second)).toBeGreaterThan(epoch);
      expect(await rig.first.lead()).toBeNull();
    });

    it('passes on when its holder is not heard of, and the old holder finds that out', async () => {
      const epoch = await epochOf(rig.first);
      await rig.expire();
      const next = await epochOf(rig.second);
      expect(next).toBeGreaterThan(epoch);
      expect(await rig.first.lead()).toBeNull();
    });

    it('has a new epoch for a holder that comes back after its lock ran out', async () => {
      const epoch = await epochOf(rig.first);
      await rig.expire();
      expect(await epochOf(rig.first)).toBeGreaterThan(epoch);
    });

    it('is not taken away by somebody who resigns without holding it, however often', async () => {
      const epoch = await epochOf(rig.first);
      await rig.second.resign();
      await rig.expire();
      await rig.second.lead();
      await rig.first.resign();
      await rig.first.resign();
      expect(await epochOf(rig.second)).toBeGreaterThan(epoch);
      expect(await rig.third.lead()).toBeNull();
    });
  });
}
