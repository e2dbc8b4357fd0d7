// The contract of the Clock port. `clock.test.ts` runs it on the simulation's clock and on the real one, slow and fast.

import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/ports.ts';

export interface ClockRig {
  readonly clock: Clock;
  /** Lets time pass until this settles. */
  settle<T>(promise: Promise<T>): Promise<T>;
}

/** A timer may fire a little early. */
const ROUNDING_REAL_MS = 3;
/** Two reads of a clock are not one, the less so on a busy machine. */
const BUSY_REAL_MS = 60;

export function clockContract(kind: string, make: () => ClockRig): void {
  describe(`clock: ${kind}`, () => {
    let rig: ClockRig;
    beforeEach(() => {
      rig = make();
    });
    const sleep = (realMs: number, signal?: AbortSignal): Promise<void> => rig.settle(rig.clock.sleep(realMs, signal));

    it('sleeps in real time', async () => {
      const { clock } = rig;
      const startMs = clock.realNowMs();
      await sleep(80);
      expect(clock.realNowMs() - startMs).toBeGreaterThanOrEqual(80 - ROUNDING_REAL_MS);
      await sleep(0);
    });

    it("has the record's time running at its speed, and equal to real time where that is one", async () => {
      const { clock } = rig;
      const [recordMs, realMs] = [clock.nowMs(), clock.realNowMs()];
      await sleep(150);
      const [recordPassed, realPassed] = [clock.nowMs() - recordMs, clock.realNowMs() - realMs];
      expect(Math.abs(recordPassed - realPassed * clock.speed)).toBeLessThan(BUSY_REAL_MS * clock.speed);
      expect(clock.speed === 1 ? Math.abs(clock.nowMs() - clock.realNowMs()) : 0).toBeLessThan(BUSY_REAL_MS);
      expect(Number.isInteger(clock.nowMs())).toBe(true);
    });

    it('wakes early, without an error, when it is told to stop', async () => {
      const { clock } = rig;
      const stop = new AbortController();
      const startMs = clock.realNowMs();
      const sleeping = clock.sleep(3_600_000, stop.signal);
      await sleep(30);
      stop.abort();
      await expect(rig.settle(sleeping)).resolves.toBeUndefined();
      expect(clock.realNowMs() - startMs).toBeLessThan(3_600_000);
    });

    it('does not sleep when it was told to stop before', async () => {
      const startMs = rig.clock.realNowMs();
      await expect(sleep(3_600_000, AbortSignal.abort())).resolves.toBeUndefined();
      expect(rig.clock.realNowMs() - startMs).toBeLessThan(3_600_000);
    });

    it('sleeps again after it was woken: one signal wakes one sleep', async () => {
      const stop = new AbortController();
      const first = rig.clock.sleep(3_600_000, stop.signal);
      stop.abort();
      await rig.settle(first);
      const startMs = rig.clock.realNowMs();
      await sleep(40, new AbortController().signal);
      expect(rig.clock.realNowMs() - startMs).toBeGreaterThanOrEqual(40 - ROUNDING_REAL_MS);
    });
  });
}
