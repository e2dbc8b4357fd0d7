// The contract of the Alarms port: what any deadline queue promises. `alarms.test.ts` runs it on memory and on Redis. Times are real
// and short; what is waited for is always an event, and a time only ever bounds it from below.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobId } from '../../src/engine/job.ts';
import type { Alarms, Clock } from '../../src/ports.ts';

export interface AlarmsRig {
  readonly alarms: Alarms;
  /** The same alarms, as another process has them. */
  readonly elsewhere: Alarms;
  readonly clock: Clock;
  /** The least pauses before the second and the third call of a handler that throws. */
  readonly backoffMs: readonly [number, number];
  close(): Promise<void>;
}

const FAR_MS = 3_600_000;
/** Clocks of two machines and the rounding of a delay. */
const ROUNDING_MS = 5;
/** What a busy machine may add between two reads of a clock. */
const BUSY_MS = 150;
/** Nothing that should not happen takes longer to happen. */
const QUIET_MS = 150;

type Handle = (jobId: JobId, call: number) => Promise<number | null>;

export function alarmsContract(store: string, make: () => Promise<AlarmsRig>): void {
  describe(`alarms in ${store}`, () => {
    let rig: AlarmsRig;
    let stops: (() => Promise<void>)[] = [];
    beforeEach(async () => {
      rig = await make();
    });
    afterEach(async () => {
      await Promise.all(stops.map((stop) => stop()));
      stops = [];
      await rig.close();
    });
    const now = (): number => rig.clock.nowMs();

    /** Runs `handle` until the test ends or `stop` is called; `calls` are the handled jobs with the time of each call. */
    function run(handle: Handle, alarms = rig.alarms) {
      const calls: { readonly jobId: JobId; readonly atMs: number }[] = [];
      const waiting = new Set<{ readonly count: number; readonly done: () => void }>();
      const abort = new AbortController();
      const ended = alarms.run(async (jobId) => {
        calls.push({ jobId, atMs: now() });
        for (const one of waiting) if (calls.length >= one.count) one.done();
        return handle(jobId, calls.length);
      }, abort.signal);
      const stop = async (): Promise<void> => {
        abort.abort();
        await ended;
      };
      stops.push(stop);
      /** Settles when the handler was called for the `count`th time: with how often it was by then. */
      const called = async (count: number): Promise<number> => {
        if (calls.length < count) await new Promise<void>((done) => waiting.add({ count, done }));
        return calls.length;
      };
      return { calls, called, stop };
    }
    const gone = (jobId: JobId): Promise<void> => expect.poll(async () => (await rig.alarms.armed()).has(jobId), { interval: 10 }).toBe(false);

    describe('arm', () => {
      it('sets an alarm that comes at its time, not before, and once', async () => {
        const atMs = now() + 120;
        await rig.alarms.arm('j-1', atMs);
        const { calls, called } = run(async () => now() + FAR_MS);
        await called(1);
        await rig.clock.sleep(QUIET_MS);
        expect(calls).toEqual([{ jobId: 'j-1', atMs: expect.any(Number) }]);
        expect(calls[0]?.atMs).toBeGreaterThanOrEqual(atMs - ROUNDING_MS);
      });

      it('for a time that has passed comes at once', async () => {
        await rig.alarms.arm('j-1', now() - FAR_MS);
        expect(await run(async () => null).called(1)).toBe(1);
      });

      it('again moves the one alarm there is, earlier', async () => {
        await rig.alarms.arm('j-1', now() + FAR_MS);
        await rig.elsewhere.arm('j-1', now());
        const { calls, called } = run(async () => now() + FAR_MS);
        await called(1);
        await rig.clock.sleep(QUIET_MS);
        expect(calls).toHaveLength(1);
        expect((await rig.alarms.armed()).size).toBe(1);
      });

      it('again moves the one alarm there is, later', async () => {
        await rig.alarms.arm('j-1', now() + 100);
        const later = now() + 300;
        await rig.alarms.arm('j-1', later);
        const { calls, called } = run(async () => now() + FAR_MS);
        await called(1);
        expect(calls[0]?.atMs).toBeGreaterThanOrEqual(later - ROUNDING_MS);
      });

      it('of a job being handled re-arms it when its handler returns, at the earlier time: the one that was armed', async () => {
        await rig.alarms.arm('j-1', now());
        const { called } = run(async (_, call) => {
          if (call === 1) await rig.elsewhere.arm('j-1', now() + 50);
          return now() + FAR_MS;
        });
        expect(await called(2)).toBe(2);
      });

      it('of a job being handled re-arms it when its handler returns, at the earlier time: the one that was answered', async () => {
        await rig.alarms.arm('j-1', now());
        const { called } = run(async (_, call) => {
          if (call === 1) await rig.elsewhere.arm('j-1', now() + FAR_MS);
          return call === 1 ? now() + 50 : now() + FAR_MS;
        });
        expect(await called(2)).toBe(2);
      });
    });

    describe('wake', () => {
      it('brings an alarm at once, however far it is, and says that there is one', async () => {
        await rig.alarms.arm('j-1', now() + 365 * 24 * FAR_MS);
        expect(await rig.elsewhere.wake('j-1')).toBe(true);
        expect(await run(async () => null).called(1)).toBe(1);
      });

      it('answers false when there is no alarm, and makes none', async () => {
        expect(await rig.alarms.wake('j-nobody')).toBe(false);
        expect(await rig.alarms.armed()).toEqual(new Map());
      });

      it('of a job being handled has it handled again, soon, after its handler returned', async () => {
        await rig.alarms.arm('j-1', now());
        const woken = Promise.withResolvers<boolean>();
        let inside = 0;
        let worst = 0;
        const { called } = run(async (_, call) => {
          worst = Math.max(worst, ++inside);
          if (call === 1) woken.resolve(await rig.elsewhere.wake('j-1'));
          await rig.clock.sleep(30);
          inside--;
          return now() + FAR_MS;
        });
        expect(await woken.promise).toBe(true);
        await called(2);
        expect(worst).toBe(1);
      });

      it('of a job that is due already changes nothing: it is handled once', async () => {
        await rig.alarms.arm('j-1', now() - 1000);
        expect(await rig.alarms.wake('j-1')).toBe(true);
        expect(await rig.alarms.wake('j-1')).toBe(true);
        const { calls, called } = run(async () => now() + FAR_MS);
        await called(1);
        await rig.clock.sleep(QUIET_MS);
        expect(calls).toHaveLength(1);
      });
    });

    describe('disarm', () => {
      it('removes the alarm: it never comes, and there is none to wake', async () => {
        await rig.alarms.arm('j-1', now() + 50);
        await rig.alarms.arm('j-2', now() + 100);
        await rig.elsewhere.disarm('j-1');
        expect([...(await rig.alarms.armed()).keys()]).toEqual(['j-2']);
        expect(await rig.alarms.wake('j-1')).toBe(false);
        const { calls, called } = run(async () => now() + FAR_MS);
        await called(1);
        expect(calls.map((c) => c.jobId)).toEqual(['j-2']);
      });

      it('twice, or where there never was an alarm, is no error', async () => {
        await rig.alarms.arm('j-1', now() + FAR_MS);
        await rig.alarms.disarm('j-1');
        await rig.alarms.disarm('j-1');
        await rig.alarms.disarm('j-nobody');
        expect(await rig.alarms.armed()).toEqual(new Map());
      });

      it('of a job being handled takes its alarm away, whatever its handler answers', async () => {
        await rig.alarms.arm('j-1', now());
        const { calls, called } = run(async () => {
          await rig.elsewhere.disarm('j-1');
          return now() + 30;
        });
        await called(1);
        await gone('j-1');
        await rig.clock.sleep(QUIET_MS);
        expect(calls).toHaveLength(1);
      });

      it('and then arm: there is an alarm again, which comes and comes again', async () => {
        await rig.alarms.arm('j-1', now() + FAR_MS);
        await rig.alarms.disarm('j-1');
        await rig.alarms.disarm('j-1');
        await rig.alarms.arm('j-1', now());
        expect(await run(async () => now() + 20).called(2)).toBe(2);
      });

      it('and arm of a job being handled: the later of the two counts', async () => {
        await rig.alarms.arm('j-1', now());
        const { called } = run(async (_, call) => {
          if (call === 1) {
            await rig.elsewhere.disarm('j-1');
            await rig.elsewhere.arm('j-1', now() + 20);
          }
          return now() + FAR_MS;
        });
        expect(await called(2)).toBe(2);
      });
    });

    describe('armed', () => {
      it('names every alarm with its time, also after it was moved', async () => {
        await rig.alarms.arm('j-1', now() + FAR_MS);
        await rig.alarms.arm('j-2', now() + 2 * FAR_MS);
        await rig.clock.sleep(2 * BUSY_MS);
        const moved = now() + 3 * FAR_MS;
        await rig.alarms.arm('j-2', moved);
        const armed = await rig.elsewhere.armed();
        expect([...armed.keys()].toSorted()).toEqual(['j-1', 'j-2']);
        expect(Math.abs((armed.get('j-2') ?? 0) - moved)).toBeLessThan(BUSY_MS);
      });

      it('has the time that the handler answered', async () => {
        await rig.alarms.arm('j-1', now());
        await rig.clock.sleep(2 * BUSY_MS);
        let answered = 0;
        const { called } = run(async () => {
          answered = now() + FAR_MS;
          return answered;
        });
        await called(1);
        await expect.poll(async () => Math.abs(((await rig.alarms.armed()).get('j-1') ?? 0) - answered), { interval: 10 }).toBeLessThan(BUSY_MS);
      });

      it('names a job that is due and waits, and one that is being handled: their time has passed', async () => {
        await rig.alarms.arm('j-1', now());
        const handling = Promise.withResolvers<void>();
        const { called } = run(async () => {
          await handling.promise;
          return null;
        });
        await called(1);
        expect((await rig.alarms.armed()).get('j-1')).toBeLessThanOrEqual(now());
        handling.resolve();
        await gone('j-1');
      });

      it('no longer names a job whose handler answered null', async () => {
        await rig.alarms.arm('j-1', now());
        await rig.alarms.arm('j-2', now() + FAR_MS);
        const { called } = run(async () => null);
        await called(1);
        await gone('j-1');
        expect([...(await rig.alarms.armed()).keys()]).toEqual(['j-2']);
        expect(await rig.alarms.wake('j-1')).toBe(false);
      });
    });

    describe('run', () => {
      it('calls for each due job, the earliest first', async () => {
        await rig.alarms.arm('j-late', now() + 160);
        await rig.alarms.arm('j-early', now() + 40);
        await rig.alarms.arm('j-mid', now() + 100);
        const { calls, called } = run(async () => null);
        await called(3);
        expect(calls.map((c) => c.jobId)).toEqual(['j-early', 'j-mid', 'j-late']);
      });

      it('calls again when the handler said', async () => {
        await rig.alarms.arm('j-1', now());
        const answers: number[] = [];
        const { calls, called } = run(async (_, call) => {
          if (call === 3) return null;
          answers.push(now() + 80);
          return now() + 80;
        });
        await called(3);
        for (const [i, atMs] of answers.entries()) expect(calls[i + 1]?.atMs).toBeGreaterThanOrEqual(atMs - ROUNDING_MS);
      });

      it('never handles one job twice at once, with two processes and many wakes', async () => {
        const inside = new Set<JobId>();
        let twice = 0;
        const handle = async (jobId: JobId): Promise<number> => {
          if (inside.has(jobId)) twice++;
          inside.add(jobId);
          await rig.clock.sleep(10);
          inside.delete(jobId);
          return now() + 2;
        };
        for (const id of ['j-1', 'j-2', 'j-3']) await rig.alarms.arm(id, now());
        const one = run(handle);
        const other = run(handle, rig.elsewhere);
        while (one.calls.length + other.calls.length < 40) {
          await Promise.all(['j-1', 'j-2', 'j-3'].map((id) => rig.alarms.wake(id)));
          await rig.clock.sleep(5);
        }
        expect(twice).toBe(0);
      });

      it('calls again when the handler throws, with back-off, and its alarm stays', async () => {
        await rig.alarms.arm('j-1', now());
        const { calls, called } = run(async (_, call) => {
          if (call < 3) throw new Error('planned');
          return now() + FAR_MS;
        });
        await called(1);
        expect((await rig.alarms.armed()).has('j-1')).toBe(true);
        await called(3);
        const [first = 0, second = 0, third = 0] = calls.map((c) => c.atMs);
        const [once, twice] = rig.backoffMs;
        expect(twice).toBeGreaterThan(once);
        expect(second - first).toBeGreaterThanOrEqual(once - ROUNDING_MS);
        expect(third - second).toBeGreaterThanOrEqual(twice - ROUNDING_MS);
      });

      it('handles other jobs while one handler throws or takes long', async () => {
        await rig.alarms.arm('j-bad', now());
        await rig.alarms.arm('j-slow', now());
        await rig.alarms.arm('j-good', now() + 20);
        const slow = Promise.withResolvers<void>();
        const good = Promise.withResolvers<string>();
        run(async (jobId) => {
          if (jobId === 'j-bad') throw new Error('planned');
          if (jobId === 'j-slow') await slow.promise;
          else good.resolve(jobId);
          return null;
        });
        expect(await good.promise).toBe('j-good');
        slow.resolve();
      });

      it('ends when its signal is aborted, after the handlers that it had started, and calls nobody any more', async () => {
        await rig.alarms.arm('j-1', now());
        const release = Promise.withResolvers<void>();
        let handled = false;
        const { called, calls, stop } = run(async () => {
          await release.promise;
          handled = true;
          return now() + 10;
        });
        await called(1);
        const stopped = stop();
        await rig.alarms.arm('j-2', now());
        release.resolve();
        await stopped;
        expect(handled).toBe(true);
        await rig.clock.sleep(QUIET_MS);
        expect(calls).toHaveLength(1);
        expect([...(await rig.alarms.armed()).keys()].toSorted()).toEqual(['j-1', 'j-2']);
      });

      it('ends at once when its signal was aborted before, and calls nobody', async () => {
        await rig.alarms.arm('j-1', now());
        const calls: JobId[] = [];
        await rig.alarms.run(async (jobId) => {
          calls.push(jobId);
          return null;
        }, AbortSignal.abort());
        expect(calls).toEqual([]);
        expect((await rig.alarms.armed()).has('j-1')).toBe(true);
      });

      it('goes on with what an earlier run left', async () => {
        await rig.alarms.arm('j-1', now());
        const first = run(async () => now() + 50);
        await first.called(1);
        await first.stop();
        expect(await run(async () => null, rig.elsewhere).called(1)).toBe(1);
      });
    });
  });
}
