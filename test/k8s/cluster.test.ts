// What the worker's hands refuse, and how they end pods: against a scripted API server.

import { describe, expect, it } from 'vitest';
import type { Api, Ask } from '../../src/adapters/k8s/api.ts';
import { kubernetesCluster } from '../../src/adapters/k8s/cluster.ts';
import { Ledger } from '../../src/adapters/k8s/ledger.ts';
import { silentLog } from '../../src/adapters/system/log.ts';
import { NerveError } from '../../src/engine/errors.ts';
import { fold } from '../../src/engine/fold.ts';
import type { JobSpec, PodProgram } from '../../src/engine/job.ts';
import { POD } from '../../src/engine/pod/names.ts';
import type { Pod } from '../../src/engine/pod/types.ts';
import { launched, NOW, record } from '../support/build.ts';
import { AT_MS, pod } from '../engine/pod/pods.ts';

const place = { zone: 'eu-west-3a', instanceType: 'g6.xlarge', capacityType: 'spot' as const, priceUsdPerHour: 0.35 };

function specOf(program: PodProgram): JobSpec {
  return {
    id: 'j-abc',
    name: 'train',
    submittedAtMs: AT_MS,
    deadlineMs: AT_MS + 3_600_000,
    workMs: 60_000,
    workSource: 'user',
    optimize: 'cost',
    carbonPriceUsdPerTonne: 0,
    maxPriceUsdPerHour: null,
    zones: null,
    instanceTypes: ['g6.xlarge'],
    retries: 3,
    checkpointUri: '',
    program,
  };
}

const bare: PodProgram = { kind: 'pod', namespace: 'team', owner: 'none' };
const ask = (attempt: number, program: PodProgram = bare) => ({
  name: `nerve-j-abc-a${attempt}`,
  spec: specOf(program),
  attempt,
  ranked: [place],
  handover: null,
});

interface WatchOptions {
  /** For how long the watch has said nothing. */
  readonly silentMs?: number;
  /** What it told last, where that is older than what is. */
  readonly told?: readonly Pod[];
  /** The node's Ready condition, as the API server has it now; null: there is no such node. */
  readonly ready?: 'True' | 'Unknown' | null;
  /** A PodDisruptionBudget forbids every eviction. */
  readonly budget?: boolean;
}

function world(pods: readonly Pod[], kept: Pod | null = null, { silentMs = 0, told = pods, ready = 'True', budget = false }: WatchOptions = {}) {
  const calls: Ask[] = [];
  const own: Pod[] = [];
  const ledger = new Ledger();
  for (const each of told) ledger.podChanged(each);
  const api: Api = {
    call: async <T>(what: Ask): Promise<T> => {
      calls.push(what);
      if ((what.method ?? 'GET') === 'GET') {
        const [path = ''] = what.path.split('?');
        if (path.endsWith('/pods')) return { items: pods } as T;
        if (path.startsWith('/api/v1/nodes/')) {
          if (ready === null) throw new NerveError('not-found', 'no such node');
          return { metadata: { name: 'n1' }, status: { conditions: [{ type: 'Ready', status: ready }] } } as T;
        }
        return pods.find((each) => path.endsWith(`/${each.metadata.name ?? ''}`)) as T;
      }
      if (budget && what.path.includes('/eviction')) throw new NerveError('retryable', 'disruption budget', { fields: { status: 429 } });
      return (what.body ?? {}) as T extends Pod ? T : never;
    },
    lines: async () => undefined,
    close: () => undefined,
  };
  const follow = {
    ledger,
    synced: async () => undefined,
    heardAtMs: () => AT_MS - silentMs,
    wrote: (written: Pod) => void own.push(written),
    watch: async () => undefined,
    run: async () => undefined,
  };
  const vault = { keep: async () => undefined, open: async () => kept, forget: async () => undefined };
  const clock = { nowMs: () => AT_MS, realNowMs: () => AT_MS, sleep: async () => undefined, speed: 1 };
  const refusals: string[] = [];
  const metrics = { refused: (what: string) => void refusals.push(what) };
  const cluster = kubernetesCluster({ api, follow, vault, dialect: 'auto', clock, log: silentLog, metrics });
  const written = (): string[] => calls.filter((call) => (call.method ?? 'GET') !== 'GET').map((call) => `${call.method ?? ''} ${call.path}`);
  const listed = (): number => calls.filter((call) => call.path.includes('/pods?')).length;
  return { cluster, calls, written, refusals, own, listed };
}

const done = { type: 'finished', atMs: NOW, result: 'succeeded', reason: 'completed', late: false, usefulWorkMs: 1 } as const;
const succeeded = fold(record([{ ...done, counterfactual: null, finalCheckpoint: null }]));
const PODS = '/api/v1/namespaces/team/pods';

describe('launching', () => {
  it('lifts the gate of the pod that waits', async () => {
    const gated = pod({ spec: { schedulingGates: [{ name: 'nerve.io/hold' }] } });
    const { cluster, written } = world([gated]);
    const error = await cluster.launch(ask(1)).catch((cause: unknown) => cause);
    // The scripted server answers with the patch itself: only what was asked of it counts here.
    expect(error).toBeDefined();
    expect(written()).toEqual([`PATCH ${PODS}/train`]);
  });

  it('rests on the look that asked for it: the held pod is not read again', async () => {
    const gated = pod({ spec: { schedulingGates: [{ name: 'nerve.io/hold' }] } });
    const { cluster, calls } = world([gated]);
    await cluster.attemptsOf('j-abc', 'team');
    await cluster.launch(ask(1)).catch(() => undefined);
    expect(calls.map(({ method = 'GET' }) => method)).toEqual(['GET', 'PATCH']);
    // Once: the next launch knows nothing of it.
    await cluster.launch(ask(1)).catch(() => undefined);
    expect(calls.map(({ method = 'GET' }) => method)).toEqual(['GET', 'PATCH', 'GET', 'PATCH']);
  });

  it('answers the attempt that is there already', async () => {
    const { cluster, written } = world([pod({ spec: { nodeName: 'n1' }, metadata: { annotations: { [POD.attempt]: '2' } } })]);
    expect(await cluster.launch(ask(2))).toMatchObject({ name: 'nerve-j-abc-a2', attempt: 2 });
    expect(written()).toEqual([]);
  });

  it('makes the next pod of a bare one from the kept spec', async () => {
    const { cluster, calls, written } = world([], pod());
    expect(await cluster.launch(ask(2))).toMatchObject({ name: 'nerve-j-abc-a2' });
    expect(written()).toEqual([`POST ${PODS}`]);
    expect(calls.at(-1)?.body).toMatchObject({ metadata: { name: 'nerve-j-abc-a2', namespace: 'team' } });
  });

  it('makes no copy beside a held pod that the watch has not told yet', async () => {
    const gated = pod({ spec: { schedulingGates: [{ name: 'nerve.io/hold' }] } });
    const { cluster, written } = world([gated], pod(), { told: [] });
    await cluster.launch(ask(1)).catch(() => undefined);
    expect(written()).toEqual([`PATCH ${PODS}/train`]);
  });

  it('waits for the next pod of a Job', async () => {
    const { cluster, written } = world([], pod());
    await expect(cluster.launch(ask(2, { ...bare, owner: 'job' }))).rejects.toMatchObject({ kind: 'retryable' });
    expect(written()).toEqual([]);
  });

  it.each<[string, Pod | null, PodProgram, string]>([
    ['has no admitted pod', null, bare, 'no-pod'],
    ['names another namespace', pod(), { ...bare, namespace: 'kube-system' }, 'foreign-pod'],
    ['has the pod of another job', pod({ metadata: { labels: { 'nerve.io/job-id': 'j-other' } } }), bare, 'foreign-pod'],
  ])('creates nothing for a record that %s, and counts it', async (_, kept, program, refusal) => {
    const { cluster, written, refusals } = world([], kept);
    await expect(cluster.launch(ask(2, program))).rejects.toMatchObject({ kind: 'refused' });
    expect(written()).toEqual([]);
    expect(refusals).toEqual([refusal]);
  });

  it('touches no pod of another namespace that bears the job’s label', async () => {
    const foreign = pod({ metadata: { namespace: 'other' }, spec: { schedulingGates: [{ name: 'nerve.io/hold' }] } });
    const { cluster, written } = world([foreign], null);
    await expect(cluster.launch(ask(1))).rejects.toBeInstanceOf(NerveError);
    expect(written()).toEqual([]);
  });
});

describe('attempts, where what the watch told is good enough', () => {
  const first = pod({ spec: { nodeName: 'n1' }, metadata: { annotations: { [POD.attempt]: '1' } } });

  it('are not asked for, if the watch has told each that is open', async () => {
    const { cluster, listed } = world([first]);
    expect(await cluster.attemptsOf('j-abc', 'team', [1])).toHaveLength(1);
    expect(listed()).toBe(0);
  });

  it.each<[string, readonly Pod[], readonly number[] | undefined, number]>([
    ['nobody said so', [first], undefined, 0],
    ['one that is open was not told yet', [first], [1, 2], 0],
    ['one that is open was told only while it was held', [pod({ spec: { schedulingGates: [{ name: 'nerve.io/hold' }] } })], [1], 0],
    ['the watch has been silent', [first], [1], 10_001],
  ])('are read fresh when %s', async (_, pods, open, silentMs) => {
    const { cluster, listed } = world(pods, null, { silentMs });
    await cluster.attemptsOf('j-abc', 'team', open);
    expect(listed()).toBe(1);
  });
});

describe('ending', () => {
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'nightly', uid: 'o1', controller: true };
  const running = { spec: { nodeName: 'n1' }, status: { phase: 'Running' } } as const;

  it('deletes a bare pod, and says that it was Nerve', async () => {
    const { cluster, calls, written } = world([pod({ ...running, metadata: { annotations: { [POD.attempt]: '1' } } })]);
    await cluster.remove('nerve-j-abc-a1');
    expect(written()).toEqual([`PATCH ${PODS}/train`, `DELETE ${PODS}/train`]);
    expect(calls.at(-2)?.body).toEqual({ metadata: { annotations: { [POD.deletedBy]: 'nerve' } } });
    expect(calls.at(-1)?.body).toMatchObject({ preconditions: { uid: 'u1' } });
  });

  it('evicts a pod of a Job', async () => {
    const { cluster, written } = world([pod({ ...running, metadata: { ownerReferences: [owner] } })]);
    await cluster.remove('nerve-j-abc-a1');
    expect(written()).toEqual([`PATCH ${PODS}/train`, `POST ${PODS}/train/eviction`]);
  });

  describe('what ran on a machine that has fallen silent', () => {
    const lost = pod({ ...running, metadata: { annotations: { [POD.attempt]: '1' }, deletionTimestamp: '2026-03-02T17:00:00Z' } });

    it.each(['Unknown', null] as const)('drops it without a grace, also where its deletion waits already (node: %s)', async (ready) => {
      const { cluster, calls, written } = world([lost], null, { ready });
      await cluster.remove('nerve-j-abc-a1', true);
      expect(written()).toEqual([`PATCH ${PODS}/train`, `DELETE ${PODS}/train`]);
      expect(calls.at(-1)?.body).toMatchObject({ gracePeriodSeconds: 0, preconditions: { uid: 'u1' } });
    });

    it('touches nothing where the machine is heard of again: the watch was behind', async () => {
      const { cluster, written } = world([lost], null, { ready: 'True' });
      await cluster.remove('nerve-j-abc-a1', true);
      expect(written()).toEqual([]);
    });

    it('still evicts a pod of a Job', async () => {
      const { cluster, written } = world([pod({ ...running, metadata: { ownerReferences: [owner] } })], null, { ready: 'Unknown' });
      await cluster.remove('nerve-j-abc-a1', true);
      expect(written()).toEqual([`PATCH ${PODS}/train`, `POST ${PODS}/train/eviction`]);
    });
  });

  it('asks no pod of a Job to seal and stop that a budget would then keep, but cancels it', async () => {
    const theirs = pod({ ...running, metadata: { ownerReferences: [owner] } });
    const kept = world([theirs], null, { budget: true });
    await expect(kept.cluster.requestStop('nerve-j-abc-a1', 'move')).rejects.toMatchObject({ kind: 'conflict' });
    expect(kept.written()).toEqual([`POST ${PODS}/train/eviction?dryRun=All`]);
    await kept.cluster.requestStop('nerve-j-abc-a1', 'cancel');
    expect(kept.written().at(-1)).toBe(`PATCH ${PODS}/train`);
    const free = world([theirs]);
    await free.cluster.requestStop('nerve-j-abc-a1', 'move');
    expect(free.written()).toEqual([`POST ${PODS}/train/eviction?dryRun=All`, `PATCH ${PODS}/train`]);
  });

  it('lets an attempt that has ended be', async () => {
    const { cluster, written } = world([pod({ ...running, status: { phase: 'Succeeded' }, metadata: { annotations: { [POD.attempt]: '1' } } })]);
    await cluster.remove('nerve-j-abc-a1');
    expect(written()).toEqual([]);
  });

  it('tells a pod that would be started again for ever how it ended, before it goes', async () => {
    const always = pod({ spec: { nodeName: 'n1', restartPolicy: 'Always' }, status: { phase: 'Running' } });
    const { cluster, calls, written } = world([always]);
    await cluster.forget('j-abc', succeeded);
    expect(calls.find(({ method }) => method === 'PATCH')?.body).toMatchObject({ metadata: { annotations: { [POD.state]: 'succeeded' } } });
    expect(written().at(-1)).toBe(`DELETE ${PODS}/train`);
  });

  it('does not delete as held what ran meanwhile', async () => {
    const annotations = { [POD.attempt]: '1' };
    const ran = pod({ spec: { nodeName: 'n1' }, status: { phase: 'Succeeded' }, metadata: { annotations } });
    const { cluster, written } = world([ran], null, { told: [pod({ spec: { schedulingGates: [{ name: 'nerve.io/hold' }] } })] });
    await cluster.forget('j-abc', { ...succeeded, attempts: fold(record([launched(1)])).attempts });
    expect(written()).toEqual([`PATCH ${PODS}/train`]);
  });

  it('does nothing for an attempt that is not there', async () => {
    const { cluster, written } = world([]);
    await cluster.remove('nerve-j-abc-a7');
    await cluster.requestStop('nerve-j-abc-a7', 'move');
    expect(written()).toEqual([]);
  });

  it('lets the next pod of a Job start that goes on after its job has ended, unless its user cancelled it', async () => {
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'nightly', uid: 'o1', controller: true };
    const next = pod({ metadata: { ownerReferences: [owner], annotations: {} }, spec: { schedulingGates: [{ name: 'nerve.io/hold' }] } });
    const endedBy = (reason: 'deleted-by-someone-else' | 'user-cancelled') =>
      fold(record([{ ...done, result: 'cancelled', reason, counterfactual: null, finalCheckpoint: null }]));
    const goesOn = world([next]);
    await goesOn.cluster.forget('j-abc', endedBy('deleted-by-someone-else'));
    expect(goesOn.calls.at(-1)).toMatchObject({
      type: 'application/json-patch+json',
      body: expect.arrayContaining([
        expect.objectContaining({ op: 'remove' }),
        { op: 'add', path: '/metadata/annotations/nerve.io~1state', value: 'cancelled' },
      ]),
    });
    const cancelled = world([next]);
    await cancelled.cluster.forget('j-abc', endedBy('user-cancelled'));
    expect(cancelled.calls.at(-1)).toMatchObject({ type: 'application/merge-patch+json' });
  });

  it('keeps a finished pod of a user’s, marks it as history, and deletes a held one of a cancelled job', async () => {
    const finished = world([pod({ status: { phase: 'Succeeded' } })]);
    await finished.cluster.forget('j-abc');
    expect(finished.written()).toEqual([`PATCH ${PODS}/train`]);
    const told = world([pod({ status: { phase: 'Succeeded' } })]);
    await told.cluster.forget('j-abc', succeeded);
    expect(told.calls.at(-1)?.body).toMatchObject({ metadata: { annotations: { [POD.state]: 'succeeded', [POD.finished]: expect.any(String) } } });
    const held = world([pod({ spec: { schedulingGates: [{ name: 'nerve.io/hold' }] } })]);
    await held.cluster.forget('j-abc');
    expect(held.written()).toEqual([`PATCH ${PODS}/train`, `DELETE ${PODS}/train`]);
  });
});
