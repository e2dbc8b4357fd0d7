// The contract of the Cluster port: what the worker's hands promise, wherever attempts run. Nothing here knows a kind of cluster: the rig
// gives the port and a few levers. `cluster.test.ts` runs it on memory and on the local cluster with real processes.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fold } from '../../src/engine/fold.ts';
import type { JobId, JobSpec } from '../../src/engine/job.ts';
import type { Placement } from '../../src/engine/decision.ts';
import type { EndCause } from '../../src/engine/record.ts';
import type { ObservedAttempt } from '../../src/engine/snapshot.ts';
import { whoEnded } from '../../src/engine/who-ended.ts';
import type { Cluster, LaunchAsk, NodeHost } from '../../src/ports.ts';
import { launched, record } from '../support/build.ts';

/** What a job's program does: run until it is told to end, not even then, fail soon, or succeed soon. */
export type Program = 'stays' | 'stubborn' | 'fails' | 'succeeds';

export interface ClusterRig {
  readonly cluster: Cluster;
  /** The same cluster, as another process sees it. */
  readonly elsewhere: Cluster;
  hostOf(nodeName: string): NodeHost;
  spec(jobId: JobId, program: Program): JobSpec;
  /** Two places that have capacity, and one that has none. */
  readonly places: { readonly one: Placement; readonly other: Placement; readonly dry: Placement };
  /** The program of this attempt does what it is there for: it would notice SIGTERM. */
  isUp(name: string): Promise<boolean>;
  nowMs(): number;
  /** Lets time pass until it is so; fails when that takes far too long. */
  until(condition: () => Promise<boolean>, what: string): Promise<void>;
  /** The cloud takes this machine away, without notice. */
  take(nodeName: string): Promise<void>;
  close(): Promise<void>;
}

export const nameOf = (jobId: JobId, attempt = 1): string => `nerve-${jobId}-a${attempt}`;

export function askFor(rig: ClusterRig, jobId: JobId, program: Program = 'stays', over: Partial<LaunchAsk> = {}): LaunchAsk {
  const attempt = over.attempt ?? 1;
  return {
    name: nameOf(jobId, attempt),
    spec: rig.spec(jobId, program),
    attempt,
    ranked: [rig.places.one, rig.places.other],
    handover: null,
    ...over,
  };
}

/** The one attempt object of this name; fails when there is none, or more. */
export async function seenOf(rig: ClusterRig, name: string): Promise<ObservedAttempt> {
  const [found, ...more] = (await rig.cluster.attempts()).filter((a) => a.name === name);
  if (found === undefined || more.length > 0) throw new Error(`there are ${more.length} more of ${name}, or none`);
  return found;
}

export async function untilSeen(
  rig: ClusterRig,
  name: string,
  what: string,
  condition: (seen: ObservedAttempt) => boolean,
): Promise<ObservedAttempt> {
  await rig.until(async () => condition(await seenOf(rig, name)), `${name} ${what}`);
  return seenOf(rig, name);
}

/** Launched, and its program runs. */
export async function running(rig: ClusterRig, ask: LaunchAsk): Promise<ObservedAttempt> {
  await rig.cluster.launch(ask);
  const hooked = async (seen: ObservedAttempt): Promise<boolean> =>
    seen.nodeName !== null && (await rig.hostOf(seen.nodeName).hosted()).some((a) => a.name === ask.name && a.hook !== null);
  await rig.until(async () => {
    const seen = await seenOf(rig, ask.name);
    return seen.phase === 'running' && (await hooked(seen)) && (await rig.isUp(ask.name));
  }, `${ask.name} runs`);
  return seenOf(rig, ask.name);
}

const ended = (rig: ClusterRig, name: string): Promise<ObservedAttempt> => untilSeen(rig, name, 'ends', (seen) => seen.endedAtMs !== null);

/** Whose doing the engine takes this end for. */
function cause(rig: ClusterRig, seen: ObservedAttempt): EndCause | null {
  const [attempt] = fold(record([launched(seen.attempt)], rig.spec(seen.jobId, 'stays'))).attempts;
  return attempt === undefined ? null : (whoEnded(attempt, seen)?.cause ?? null);
}

export function clusterContract(kind: string, make: () => Promise<ClusterRig>): void {
  describe(`cluster: ${kind}`, () => {
    let rig: ClusterRig;
    beforeEach(async () => {
      rig = await make();
    });
    afterEach(() => rig.close());
    const names = async (cluster = rig.cluster): Promise<readonly string[]> => (await cluster.attempts()).map((a) => a.name).toSorted();

    describe('attempts', () => {
      it('shows none at first, then those of every job, and all of them again to another process', async () => {
        expect(await rig.cluster.attempts()).toEqual([]);
        for (const id of ['j-one', 'j-two']) await rig.cluster.launch(askFor(rig, id));
        expect(await names()).toEqual([nameOf('j-one'), nameOf('j-two')]);
        expect(await names(rig.elsewhere)).toEqual(await names());
      });

      it('shows what ended, with how, until it is forgotten', async () => {
        await rig.cluster.launch(askFor(rig, 'j-good', 'succeeds'));
        await rig.cluster.launch(askFor(rig, 'j-bad', 'fails'));
        const good = await ended(rig, nameOf('j-good'));
        const bad = await ended(rig, nameOf('j-bad'));
        expect(good).toMatchObject({ phase: 'succeeded', exitCode: 0, deletionRequestedAtMs: null, deletedByNerve: false });
        expect(bad).toMatchObject({ phase: 'failed', logTail: expect.stringContaining('planned'), deletionRequestedAtMs: null });
        expect(bad.exitCode).toBeGreaterThan(0);
        for (const { createdAtMs, placedAtMs, endedAtMs } of [good, bad]) {
          expect(placedAtMs).toBeGreaterThanOrEqual(createdAtMs);
          expect(endedAtMs).toBeGreaterThanOrEqual(placedAtMs ?? Number.POSITIVE_INFINITY);
          expect(endedAtMs).toBeLessThanOrEqual(rig.nowMs());
        }
        expect([cause(rig, good), cause(rig, bad)]).toEqual(['succeeded', 'failed']);
        await rig.cluster.forget('j-good');
        expect(await names()).toEqual([nameOf('j-bad')]);
      });

      it('shows a machine that was taken as an interruption, never as a failure', async () => {
        const { name, nodeName } = await running(rig, askFor(rig, 'j-one'));
        await rig.take(nodeName ?? '');
        const seen = await ended(rig, name);
        expect(seen).toMatchObject({ phase: 'failed', exitCode: null, deletedByNerve: false });
        expect(cause(rig, seen)).toBe('interrupted');
      });

      it('shows a copy: what a reader does to it changes nothing', async () => {
        await rig.cluster.launch(askFor(rig, 'j-one'));
        for (const one of await rig.cluster.attempts()) Object.assign(one, { name: 'scribbled' });
        expect(await names()).toEqual([nameOf('j-one')]);
      });
    });

    describe('attemptsOf', () => {
      it('shows those of one job, all of them, and none of a job that has none', async () => {
        for (const id of ['j-one', 'j-two']) await rig.cluster.launch(askFor(rig, id));
        await rig.cluster.launch(askFor(rig, 'j-one', 'stays', { attempt: 2 }));
        expect((await rig.cluster.attemptsOf('j-one')).map((a) => a.name).toSorted()).toEqual([nameOf('j-one', 1), nameOf('j-one', 2)]);
        expect(await rig.cluster.attemptsOf('j-nobody')).toEqual([]);
      });

      it('is read fresh: it shows what another process did just before', async () => {
        await rig.elsewhere.launch(askFor(rig, 'j-one'));
        expect(await rig.cluster.attemptsOf('j-one')).toHaveLength(1);
        await rig.elsewhere.requestStop(nameOf('j-one'), 'move');
        expect((await rig.cluster.attemptsOf('j-one'))[0]?.stopRequest).toBe('move');
        await rig.elsewhere.remove(nameOf('j-one'));
        expect((await rig.cluster.attemptsOf('j-one'))[0]?.deletionRequestedAtMs).not.toBeNull();
      });
    });

    describe('attemptsOf, where what a watch told is good enough', () => {
      it('shows each attempt that the record has open, whoever launched it just before', async () => {
        await rig.elsewhere.launch(askFor(rig, 'j-one'));
        expect((await rig.cluster.attemptsOf('j-one', undefined, [1])).map((a) => a.name)).toEqual([nameOf('j-one')]);
        await rig.cluster.launch(askFor(rig, 'j-one', 'stays', { attempt: 2 }));
        expect((await rig.cluster.attemptsOf('j-one', undefined, [1, 2])).map((a) => a.name).toSorted()).toEqual([
          nameOf('j-one', 1),
          nameOf('j-one', 2),
        ]);
      });
    });

    describe('launch', () => {
      it('creates the attempt, and answers it', async () => {
        const made = await rig.cluster.launch(askFor(rig, 'j-one', 'stays', { attempt: 3 }));
        expect(made).toMatchObject({
          name: nameOf('j-one', 3),
          jobId: 'j-one',
          attempt: 3,
          endedAtMs: null,
          stopRequest: null,
          deletedByNerve: false,
        });
        expect(made).toMatchObject({ resumed: null, progress: null, lastCheckpoint: null, exitCode: null, deletionRequestedAtMs: null });
        expect((await rig.cluster.attemptsOf('j-one')).map((a) => a.name)).toEqual([made.name]);
      });

      it('puts it in the first place that has capacity: it gets a node there, and its program runs', async () => {
        const { dry, other } = rig.places;
        const seen = await running(rig, askFor(rig, 'j-one', 'stays', { ranked: [dry, other] }));
        const { zone, instanceType, capacityType } = other;
        expect(seen).toMatchObject({ zone, instanceType, capacityType, unschedulableSinceMs: null, phase: 'running' });
        expect(seen.priceUsdPerHour).toBeGreaterThan(0);
        expect(seen.placedAtMs).toBeLessThanOrEqual(rig.nowMs());
        expect(seen.node).toMatchObject({
          name: seen.nodeName,
          zone,
          instanceType,
          capacityType,
          ready: true,
          silentSinceMs: null,
          interruption: null,
          cordonedBy: null,
        });
      });

      it('where there is no capacity waits, and says since when', async () => {
        const beforeMs = rig.nowMs();
        await rig.cluster.launch(askFor(rig, 'j-one', 'stays', { ranked: [rig.places.dry] }));
        const seen = await untilSeen(rig, nameOf('j-one'), 'is unschedulable', (s) => s.unschedulableSinceMs !== null);
        expect(seen).toMatchObject({ phase: 'pending', placedAtMs: null, nodeName: null, node: null, endedAtMs: null });
        expect(seen.unschedulableSinceMs).toBeGreaterThanOrEqual(beforeMs);
      });

      it('of a name that exists answers that one: its placement is what counts', async () => {
        const first = await running(rig, askFor(rig, 'j-one', 'stays', { ranked: [rig.places.one] }));
        const again = await rig.elsewhere.launch(askFor(rig, 'j-one', 'stays', { ranked: [rig.places.other] }));
        expect(again).toMatchObject({ name: first.name, zone: first.zone, nodeName: first.nodeName, createdAtMs: first.createdAtMs });
        expect(await names()).toEqual([first.name]);
      });

      it('of a name that has ended answers the ended one: nothing starts', async () => {
        await rig.cluster.launch(askFor(rig, 'j-one', 'fails'));
        const before = await ended(rig, nameOf('j-one'));
        const again = await rig.cluster.launch(askFor(rig, 'j-one'));
        expect(again).toMatchObject({ endedAtMs: before.endedAtMs, exitCode: before.exitCode });
        expect(await names()).toEqual([nameOf('j-one')]);
      });

      it('of one name by two processes at once makes one attempt', async () => {
        const both = await Promise.all([
          rig.cluster.launch(askFor(rig, 'j-one', 'stays', { ranked: [rig.places.one] })),
          rig.elsewhere.launch(askFor(rig, 'j-one', 'stays', { ranked: [rig.places.other] })),
        ]);
        const seen = await untilSeen(rig, nameOf('j-one'), 'is placed', (s) => s.placedAtMs !== null);
        expect(both.map((a) => a.createdAtMs)).toEqual([seen.createdAtMs, seen.createdAtMs]);
        expect(await names()).toEqual([nameOf('j-one')]);
      });

      it('without a place is an error, and makes nothing', async () => {
        await expect(rig.cluster.launch(askFor(rig, 'j-one', 'stays', { ranked: [] }))).rejects.toMatchObject({ name: 'NerveError', kind: 'fatal' });
        expect(await rig.cluster.attempts()).toEqual([]);
      });
    });

    describe('requestStop', () => {
      it('annotates the attempt, for the agent of its node; the newest request counts', async () => {
        const { name, nodeName } = await running(rig, askFor(rig, 'j-one'));
        const asHosted = async () => (await rig.hostOf(nodeName ?? '').hosted()).find((a) => a.name === name)?.stopRequest;
        expect(await asHosted()).toBeNull();
        await rig.cluster.requestStop(name, 'move');
        expect((await seenOf(rig, name)).stopRequest).toBe('move');
        expect(await asHosted()).toBe('move');
        await rig.cluster.requestStop(name, 'move');
        await rig.cluster.requestStop(name, 'cancel');
        expect(await asHosted()).toBe('cancel');
        expect(await seenOf(rig, name)).toMatchObject({ stopRequest: 'cancel', endedAtMs: null, deletionRequestedAtMs: null });
      });

      it('of an attempt that is not there is success', async () => {
        await expect(rig.cluster.requestStop(nameOf('j-nobody'), 'move')).resolves.toBeUndefined();
      });
    });

    describe('remove', () => {
      it('asks first: the program may end by itself, and the object stays, ended by Nerve', async () => {
        const { name } = await running(rig, askFor(rig, 'j-one'));
        await rig.cluster.remove(name);
        expect(await seenOf(rig, name)).toMatchObject({ deletedByNerve: true, deletionRequestedAtMs: expect.any(Number) });
        const seen = await ended(rig, name);
        expect(seen).toMatchObject({ phase: 'failed', deletedByNerve: true });
        expect([75, 143]).toContain(seen.exitCode);
        expect(cause(rig, seen)).toBe('stopped');
      });

      it('kills what does not end when it is asked', async () => {
        const { name } = await running(rig, askFor(rig, 'j-one', 'stubborn'));
        await rig.cluster.remove(name);
        const seen = await ended(rig, name);
        expect([0, 75, 143]).not.toContain(seen.exitCode);
        expect(cause(rig, seen)).toBe('stopped');
      });

      it('of what was never placed ends it: it is not placed afterwards', async () => {
        await rig.cluster.launch(askFor(rig, 'j-one', 'stays', { ranked: [rig.places.dry] }));
        await rig.cluster.remove(nameOf('j-one'));
        const seen = await ended(rig, nameOf('j-one'));
        expect(seen).toMatchObject({ placedAtMs: null, nodeName: null, deletedByNerve: true });
        expect(cause(rig, seen)).toBe('not-placed');
      });

      it('right after the launch ends it too', async () => {
        await rig.cluster.launch(askFor(rig, 'j-one'));
        await rig.cluster.remove(nameOf('j-one'));
        expect(await ended(rig, nameOf('j-one'))).toMatchObject({ deletedByNerve: true });
      });

      it('again, or of what has ended, or was never there, is success and changes nothing', async () => {
        const { name } = await running(rig, askFor(rig, 'j-one', 'stubborn'));
        await rig.cluster.remove(name);
        const { deletionRequestedAtMs } = await seenOf(rig, name);
        await rig.elsewhere.remove(name);
        expect((await seenOf(rig, name)).deletionRequestedAtMs).toBe(deletionRequestedAtMs);
        await rig.cluster.launch(askFor(rig, 'j-two', 'fails'));
        const { endedAtMs } = await ended(rig, nameOf('j-two'));
        await rig.cluster.remove(nameOf('j-two'));
        expect(await seenOf(rig, nameOf('j-two'))).toMatchObject({ endedAtMs, deletedByNerve: false, deletionRequestedAtMs: null });
        await expect(rig.cluster.remove(nameOf('j-nobody'))).resolves.toBeUndefined();
      });
    });

    describe('forget', () => {
      it('drops the ended objects of that job, and nothing else', async () => {
        for (const [id, program] of [
          ['j-one', 'fails'],
          ['j-two', 'fails'],
        ] as const)
          await rig.cluster.launch(askFor(rig, id, program));
        await running(rig, askFor(rig, 'j-one', 'stays', { attempt: 2 }));
        for (const id of ['j-one', 'j-two']) await ended(rig, nameOf(id));
        await rig.cluster.forget('j-one');
        expect(await names()).toEqual([nameOf('j-one', 2), nameOf('j-two')]);
        expect((await seenOf(rig, nameOf('j-one', 2))).endedAtMs).toBeNull();
      });

      it('again, or of a job that has nothing, is success', async () => {
        await rig.cluster.launch(askFor(rig, 'j-one', 'fails'));
        await ended(rig, nameOf('j-one'));
        await rig.cluster.forget('j-one');
        await rig.elsewhere.forget('j-one');
        await rig.cluster.forget('j-nobody');
        expect(await rig.cluster.attempts()).toEqual([]);
      });
    });

    describe('watch', () => {
      /** Watches until `stop`; `told` are the jobs it was told of since `clear`. */
      function watching() {
        const told = new Set<JobId>();
        const abort = new AbortController();
        const done = rig.cluster.watch((jobIds) => {
          for (const id of jobIds) told.add(id);
        }, abort.signal);
        return { told, done, stop: () => abort.abort() };
      }

      it('tells of jobs whose attempts changed: launched, placed, asked to stop, ended', async () => {
        const { told, done, stop } = watching();
        const tells = async (id: JobId, change: () => Promise<unknown>): Promise<void> => {
          told.clear();
          await change();
          await rig.until(async () => told.has(id), `the watch tells of ${id}`);
        };
        await tells('j-one', () => rig.elsewhere.launch(askFor(rig, 'j-one')));
        await running(rig, askFor(rig, 'j-one'));
        await tells('j-one', () => rig.elsewhere.requestStop(nameOf('j-one'), 'move'));
        await tells('j-two', () => rig.elsewhere.launch(askFor(rig, 'j-two', 'fails')));
        await tells('j-two', () => ended(rig, nameOf('j-two')));
        stop();
        await done;
        expect([...told].every((id) => ['j-one', 'j-two'].includes(id))).toBe(true);
      });

      it('tells of jobs whose node changed', async () => {
        const { nodeName } = await running(rig, askFor(rig, 'j-one'));
        const { told, done, stop } = watching();
        told.clear();
        const notice = { action: 'terminate', noticedAtMs: rig.nowMs(), endsAtMs: rig.nowMs() + 120_000 } as const;
        await rig.hostOf(nodeName ?? '').annotateNode({ interruption: notice });
        await rig.until(async () => told.has('j-one'), 'the watch tells of the notice');
        told.clear();
        await rig.take(nodeName ?? '');
        await rig.until(async () => told.has('j-one'), 'the watch tells of the loss');
        stop();
        await done;
        expect(told).toEqual(new Set(['j-one']));
      });

      it('ends when it is aborted, also while nothing changes, and tells nothing afterwards', async () => {
        const { told, done, stop } = watching();
        await rig.cluster.launch(askFor(rig, 'j-one'));
        await rig.until(async () => told.has('j-one'), 'the watch tells of the launch');
        stop();
        await expect(done).resolves.toBeUndefined();
        told.clear();
        await rig.cluster.launch(askFor(rig, 'j-two'));
        await untilSeen(rig, nameOf('j-two'), 'is placed', (s) => s.placedAtMs !== null);
        expect(told).toEqual(new Set());
      });

      it('that was aborted before ends at once', async () => {
        await expect(rig.cluster.watch(() => undefined, AbortSignal.abort())).resolves.toBeUndefined();
      });
    });
  });
}
