// Level 1, what goes wrong: a worker killed, Redis wiped, the API server away, a node that vanishes, pods of Jobs, users who change their mind. One
// control plane for all; each case has jobs of its own.

import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '../../src/engine/pod/types.ts';
import { whyNoCluster } from '../support/k8s/control-plane.ts';
import { adopted, adoptedPod, NAMESPACE, OVERHEAD_SECONDS, startWorld, until, type World } from '../support/k8s/world.ts';

const AWAY_MS = 20_000;
const why = await whyNoCluster();

describe.skipIf(why !== null)(`a level-1 cluster on a bad day${why === null ? '' : ` (skipped: ${why})`}`, () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ perPool: 1 });
  }, 1_800_000);
  afterAll(() => world?.stop(), 60_000);

  const inTime = (workSeconds: number, slackSeconds: number): number => Date.now() + (workSeconds + OVERHEAD_SECONDS + slackSeconds) * 1000;
  const jobs = (name: string, count: number): readonly string[] => Array.from({ length: count }, (_, i) => `j-${name}${i}`);
  const submit = async (ids: readonly string[], workSeconds: number, slackSeconds: number): Promise<void> => {
    for (const id of ids) await world.create(adoptedPod(id, workSeconds, inTime(workSeconds, slackSeconds)));
  };
  const training = (id: string) => world.trainings.running().find((each) => each.jobId === id);
  const allTrain = (ids: readonly string[]) => until(() => ids.every((id) => training(id) !== undefined), 60_000, world.tails);
  /** What went wrong with them: nothing, or what was late or trained twice. */
  const allEnd = async (ids: readonly string[], limitMs: number): Promise<readonly unknown[]> => {
    const left = () => ids.filter((id) => !world.trainings.ended.has(id));
    await until(
      () => left().length === 0,
      limitMs,
      () => `${left().join(', ')} did not end; ${world.tails()}`,
    );
    const late = ids.flatMap((id) => world.trainings.ended.get(id) ?? []).filter((job) => job.atMs > job.deadlineMs);
    return [...late, ...world.trainings.faults];
  };
  const podsOf = (id: string): Promise<readonly Pod[]> => world.pods(`nerve.io/job-id=${id}`);
  const checkpointOf = async (id: string): Promise<string | null> =>
    (await podsOf(id)).map((pod) => pod.metadata.annotations?.['nerve.io/last-checkpoint']).findLast((text) => text !== undefined) ?? null;
  /** Until its agent has written a newer checkpoint on its pod than this one. */
  const saved = (id: string, before: string | null): Promise<void> => until(async () => (await checkpointOf(id)) !== before, 60_000, world.tails);
  const stateOf = async (id: string): Promise<string | undefined> =>
    (await podsOf(id)).map((pod) => pod.metadata.annotations?.['nerve.io/state']).findLast((state) => state !== undefined);

  it('goes on with a node that vanishes without a notice', { timeout: 180_000 }, async () => {
    const ids = jobs('gone', 3);
    await submit(ids, 20, 60);
    await allTrain(ids);
    const node = world.nodes.find((each) => each.name === training('j-gone0')?.node);
    if (node === undefined) throw new Error('not on a known node');
    await saved('j-gone0', null);
    await world.vanish(node);
    expect(await allEnd(ids, 120_000)).toEqual([]);
    expect(world.trainings.ended.get('j-gone0')?.attempts).toBe(2);
  });

  it('cancels what its user cancels, and what its user deletes', { timeout: 120_000 }, async () => {
    const ids = jobs('mind', 3);
    const [asked = '', deleted = '', held = ''] = ids;
    await submit([asked, deleted], 60, 600);
    await allTrain([asked, deleted]);
    await world.annotate(`pod-of-${asked}`, { 'nerve.io/request': 'cancel#1' });
    await world.plane.admin.call('DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/pod-of-${deleted}`);
    await until(async () => (await podsOf(asked)).every((pod) => pod.status?.phase !== 'Running'), 60_000, world.tails);
    await until(async () => (await podsOf(deleted)).length === 0, 30_000, world.tails);
    // Paused before it starts: held, and its pod stays gated until it is deleted.
    await world.create({ ...adoptedPod(held, 60, inTime(60, 600)), ...paused(held, 60, inTime(60, 600)) });
    await until(async () => (await stateOf(held)) === 'held', 30_000, world.tails);
    await world.plane.admin.call('DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/pod-of-${held}`);
    const redis = new Redis({ path: world.redis.url });
    try {
      await until(async () => (await redis.smembers('nerve:live')).every((id) => !ids.includes(id)), 60_000, world.tails);
    } finally {
      redis.disconnect();
    }
    expect(await podsOf(deleted)).toEqual([]);
    expect(ids.filter((id) => training(id) !== undefined)).toEqual([]);
  });

  it('continues a pod of a Job in the pod that the Job makes next', { timeout: 240_000 }, async () => {
    const id = 'j-ofjob';
    const { metadata, spec } = adopted(id, 20, inTime(20, 120));
    await world.plane.admin.call('POST', `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`, {
      metadata: { name: 'nightly' },
      spec: { backoffLimit: 6, template: { metadata, spec } },
    });
    await allTrain([id]);
    const node = world.nodes.find((each) => each.name === training(id)?.node);
    if (node === undefined) throw new Error('not on a known node');
    await world.takeBack(node);
    expect(await allEnd([id], 150_000)).toEqual([]);
    expect(world.trainings.ended.get(id)?.attempts).toBe(2);
    await until(
      async () => {
        const job = await world.plane.admin.call<{ status: { succeeded?: number } }>('GET', `/apis/batch/v1/namespaces/${NAMESPACE}/jobs/nightly`);
        return job.status.succeeded === 1;
      },
      60_000,
      world.tails,
    );
  });

  it('lets the next pod of a Job start whose pod somebody deleted: for Nerve the job has ended, its Job goes on', { timeout: 240_000 }, async () => {
    const id = 'j-goeson';
    const { metadata, spec } = adopted(id, 20, inTime(20, 600));
    await world.plane.admin.call('POST', `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`, {
      metadata: { name: 'goes-on' },
      spec: { backoffLimit: 6, template: { metadata, spec } },
    });
    await allTrain([id]);
    const [first] = await podsOf(id);
    await world.plane.admin.call('DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/${first?.metadata.name ?? ''}`);
    await until(
      async () => {
        const job = await world.plane.admin.call<{ status: { succeeded?: number } }>('GET', `/apis/batch/v1/namespaces/${NAMESPACE}/jobs/goes-on`);
        return job.status.succeeded === 1;
      },
      150_000,
      world.tails,
    );
    const [next] = await podsOf(id);
    expect(next?.metadata.uid).not.toBe(first?.metadata.uid);
  });

  it('is not moved by a pod of another namespace that bears a job’s label', { timeout: 120_000 }, async () => {
    const id = 'j-victim';
    await submit([id], 15, 60);
    await allTrain([id]);
    const { admin } = world.plane;
    await admin.call('POST', '/api/v1/namespaces', { metadata: { name: 'attacker' } });
    const { metadata, spec } = adoptedPod(id, 15, inTime(15, 60));
    const annotations = { ...metadata.annotations, 'nerve.io/request': 'cancel#1', 'nerve.io/attempt': '7' };
    const { schedulingGates: _, ...open } = spec;
    await admin.call('POST', '/api/v1/namespaces/attacker/pods', { metadata: { ...metadata, name: 'forged', annotations }, spec: open });
    expect(await allEnd([id], 90_000)).toEqual([]);
    expect(world.trainings.ended.get(id)?.attempts).toBe(1);
    await until(async () => (await stateOf(id)) === 'succeeded', 30_000, world.tails);
    const forged = await admin.call<Pod>('GET', '/api/v1/namespaces/attacker/pods/forged');
    expect(Object.keys(forged.metadata.annotations ?? {}).toSorted()).toEqual(Object.keys(annotations).toSorted());
  });

  it('rebuilds every record when Redis is wiped, also of a job in its second attempt', { timeout: 240_000 }, async () => {
    const ids = jobs('wiped', 4);
    await submit(ids, 40, 90);
    await allTrain(ids);
    const node = world.nodes.find((each) => each.name === training('j-wiped0')?.node);
    if (node === undefined) throw new Error('not on a known node');
    await world.takeBack(node);
    await allTrain(ids);
    const redis = new Redis({ path: world.redis.url });
    try {
      await redis.flushall();
      await until(async () => (await redis.smembers('nerve:live')).filter((id) => ids.includes(id)).length === ids.length, 60_000, world.tails);
    } finally {
      redis.disconnect();
    }
    expect(await allEnd(ids, 150_000)).toEqual([]);
    for (const id of ids) expect(world.trainings.ended.get(id)?.attempts).toBe(2);
  });

  it('loses nothing when its worker is killed', { timeout: 180_000 }, async () => {
    const ids = jobs('killed', 4);
    await submit(ids, 20, 60);
    await allTrain(ids);
    await world.worker.kill();
    const more = jobs('meanwhile', 4);
    await submit(more, 20, 60);
    // Nobody decides, and training goes on: its agent says so.
    await saved('j-killed0', await checkpointOf('j-killed0'));
    await world.startWorker('worker-2');
    expect(await allEnd([...ids, ...more], 150_000)).toEqual([]);
  });

  it('comes back after the API server was away', { timeout: 240_000 }, async () => {
    const { apiServer } = world.plane;
    if (apiServer === null) return;
    const ids = jobs('away', 4);
    await submit(ids, 30, 120);
    await allTrain(ids);
    await apiServer.stop();
    // No wait for anything: how long it is away is what is tried.
    await pause(AWAY_MS);
    await apiServer.start();
    const more = jobs('back', 2);
    await submit(more, 20, 60);
    expect(await allEnd([...ids, ...more], 150_000)).toEqual([]);
  });
});

/** Its user paused it in the same breath. */
function paused(id: string, workSeconds: number, deadlineMs: number) {
  const { metadata } = adoptedPod(id, workSeconds, deadlineMs);
  return { metadata: { ...metadata, annotations: { ...metadata.annotations, 'nerve.io/request': 'pause#1' } } };
}
