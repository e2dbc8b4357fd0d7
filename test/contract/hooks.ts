// The contract of the Hooks port: the checkpoint contract's two calls (DESIGN section 4, docs/checkpoint-contract.md), as an agent makes
// them. `hooks.test.ts` runs it on the simulation's training process and over HTTP on a real one with the Python SDK.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HookReason, Hooks, HookTarget } from '../../src/ports.ts';

/** `trains`: past its resume point, and for long; `waits`: for a predecessor that never seals. */
export type Attempt = 'trains' | 'waits';

export interface HooksRig {
  readonly hooks: Hooks;
  readonly target: HookTarget;
  realNowMs(): number;
  /** How often it saves by itself is longer than any test. Null: it runs. */
  exitCode(): number | null;
  sigterm(): void;
  /** Lets time pass until this settles. */
  settle<T>(promise: Promise<T>): Promise<T>;
  until(condition: () => Promise<boolean>, what: string): Promise<void>;
  close(): Promise<void>;
}

const FINAL = ['interruption', 'move', 'pause'] as const satisfies readonly HookReason[];
const OTHER = ['periodic', 'rebalance', 'drill'] as const satisfies readonly HookReason[];

export function hooksContract(kind: string, make: (attempt: Attempt) => Promise<HooksRig>): void {
  describe(`hooks: ${kind}`, () => {
    let rig: HooksRig;
    afterEach(() => rig.close());
    const progress = () => rig.settle(rig.hooks.progress(rig.target));
    const ask = (reason: HookReason, deadlineRealMs: number | null = null) =>
      rig.settle(rig.hooks.checkpoint(rig.target, { reason, deadlineRealMs }));
    /** It computes: its step goes on from where it is. */
    const goesOn = async (): Promise<void> => {
      const { step } = await progress();
      await rig.until(async () => (await progress()).step > step, 'training goes on');
    };

    describe('of an attempt that trains', () => {
      beforeEach(async () => {
        rig = await make('trains');
        const resumed = async (): Promise<boolean> => (await rig.hooks.progress(rig.target)).resumed !== null;
        await rig.until(() => resumed().catch(() => false), 'it is past its resume point');
        await goesOn();
      });

      it('tell how far it is, how fast, and from where it began', async () => {
        const seen = await progress();
        expect(seen).toMatchObject({
          totalSteps: expect.any(Number),
          resumed: { step: 0, epoch: expect.any(Number), checkpointId: null },
          lastCheckpoint: null,
        });
        expect(seen.step).toBeGreaterThan(0);
        expect(seen.step).toBeLessThanOrEqual(seen.totalSteps ?? 0);
        await rig.until(async () => ((await progress()).stepsPerSecond ?? 0) > 0, 'its speed is known');
      });

      it('tell ages in real seconds, so that no clocks have to agree', async () => {
        const atRealMs = rig.realNowMs();
        const before = (await progress()).resumed?.ageSeconds ?? Number.NaN;
        await rig.until(async () => rig.realNowMs() > atRealMs + 1000, 'time passes');
        const after = (await progress()).resumed?.ageSeconds ?? Number.NaN;
        const passed = (rig.realNowMs() - atRealMs) / 1000;
        expect(before).toBeGreaterThanOrEqual(0);
        expect(after - before).toBeGreaterThan(0.3);
        expect(after - before).toBeLessThanOrEqual(passed + 0.01);
      });

      it.each(FINAL)(
        'get a final seal for "%s": training has stopped there, and the process stays alive until SIGTERM, then exits 75',
        async (reason) => {
          const seal = await ask(reason);
          expect(seal).toEqual({
            id: expect.stringMatching(/./),
            step: expect.any(Number),
            bytes: expect.any(Number),
            durationMs: expect.any(Number),
          });
          expect(seal.step).toBeGreaterThan(0);
          expect(seal.bytes).toBeGreaterThan(0);
          const after = await progress();
          expect(after).toMatchObject({ step: seal.step, lastCheckpoint: { ...seal, final: true, ageSeconds: expect.any(Number) } });
          const atRealMs = rig.realNowMs();
          await rig.until(async () => rig.realNowMs() > atRealMs + 200, 'time passes');
          expect((await progress()).step).toBe(seal.step);
          expect(rig.exitCode()).toBeNull();
          rig.sigterm();
          await rig.until(async () => rig.exitCode() !== null, 'it exits');
          expect(rig.exitCode()).toBe(75);
        },
      );

      it('get the same seal when they ask again, whatever the reason', async () => {
        const [one, other] = await Promise.all([ask('interruption', rig.realNowMs() + 60_000), ask('interruption', rig.realNowMs() + 60_000)]);
        expect(other).toEqual(one);
        for (const reason of [...FINAL, ...OTHER]) expect(await ask(reason)).toEqual(one);
      });

      it('end it at the time of the notice, if nobody does so before: with 75', async () => {
        const deadlineRealMs = rig.realNowMs() + 2500;
        await ask('interruption', deadlineRealMs);
        expect(rig.exitCode()).toBeNull();
        await rig.until(async () => rig.exitCode() !== null, 'it exits');
        expect(rig.exitCode()).toBe(75);
        expect(rig.realNowMs()).toBeGreaterThanOrEqual(deadlineRealMs - 10);
      });

      it('get a seal for a rebalance recommendation, and training goes on; at most one save is forced in thirty seconds', async () => {
        const first = await ask('rebalance');
        expect(first.bytes).toBeGreaterThan(0);
        expect(await progress()).toMatchObject({ lastCheckpoint: { ...first, final: false, ageSeconds: expect.any(Number) } });
        await goesOn();
        for (const reason of OTHER) expect(await ask(reason)).toEqual(first);
        expect(rig.exitCode()).toBeNull();
        const final = await ask('move');
        expect(final.id).not.toBe(first.id);
        expect(final.step).toBeGreaterThan(first.step);
      });

      it('are refused with a wrong token, and nothing happens', async () => {
        for (const token of ['', 'guess', `${rig.target.token}x`]) {
          const wrong = { ...rig.target, token };
          await expect(rig.hooks.checkpoint(wrong, { reason: 'pause', deadlineRealMs: null })).rejects.toMatchObject({ name: 'NerveError' });
          await expect(rig.hooks.progress(wrong)).rejects.toMatchObject({ name: 'NerveError' });
        }
        await goesOn();
        expect((await progress()).lastCheckpoint).toBeNull();
      });

      it('fail as a NerveError once it has ended', async () => {
        rig.sigterm();
        await rig.until(async () => rig.exitCode() !== null, 'it exits');
        await expect(rig.hooks.progress(rig.target)).rejects.toMatchObject({ name: 'NerveError' });
        await expect(rig.hooks.checkpoint(rig.target, { reason: 'pause', deadlineRealMs: null })).rejects.toMatchObject({ name: 'NerveError' });
      });
    });

    describe('of an attempt that is not past its resume point', () => {
      beforeEach(async () => {
        rig = await make('waits');
        await rig.until(async () => (await rig.hooks.progress(rig.target).catch(() => null)) !== null, 'it answers');
      });

      it('tell that it has not resumed, and get no seal from it', async () => {
        expect(await progress()).toMatchObject({ step: 0, resumed: null, lastCheckpoint: null });
        for (const reason of [...FINAL, ...OTHER])
          await expect(rig.hooks.checkpoint(rig.target, { reason, deadlineRealMs: null })).rejects.toMatchObject({ name: 'NerveError' });
        expect(await progress()).toMatchObject({ resumed: null, lastCheckpoint: null });
        expect(rig.exitCode()).toBeNull();
      });
    });
  });
}
