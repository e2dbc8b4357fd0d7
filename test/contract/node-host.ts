// The contract of the NodeHost port: what an agent sees of its node and may write about it. The rig is that of the cluster's contract;
// what an agent writes is what the worker reads there.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObservedAttempt } from '../../src/engine/snapshot.ts';
import type { NodeHost } from '../../src/ports.ts';
import { askFor, type ClusterRig, nameOf, running, seenOf } from './cluster.ts';

export function nodeHostContract(kind: string, make: () => Promise<ClusterRig>): void {
  describe(`node host: ${kind}`, () => {
    let rig: ClusterRig;
    let seen: ObservedAttempt;
    let host: NodeHost;
    beforeEach(async () => {
      rig = await make();
      seen = await running(rig, askFor(rig, 'j-one'));
      host = rig.hostOf(seen.nodeName ?? '');
    });
    afterEach(() => rig.close());
    const node = async () => (await seenOf(rig, seen.name)).node;
    const notice = () => ({ action: 'terminate', noticedAtMs: rig.nowMs(), endsAtMs: rig.nowMs() + 120_000 }) as const;

    it('hosts what runs on this node, and nothing of another', async () => {
      const other = await running(rig, askFor(rig, 'j-two', 'stays', { ranked: [rig.places.other] }));
      expect(other.nodeName).not.toBe(seen.nodeName);
      const hook = { port: expect.any(Number), token: expect.any(String) };
      expect(await host.hosted()).toEqual([{ name: nameOf('j-one'), jobId: 'j-one', attempt: 1, hook, stopRequest: null, ended: false }]);
      expect((await rig.hostOf(other.nodeName ?? '').hosted()).map((a) => a.name)).toEqual([nameOf('j-two')]);
    });

    it('gives each attempt a hook and a token of its own', async () => {
      const other = await running(rig, askFor(rig, 'j-two', 'stays', { ranked: [rig.places.other] }));
      const [mine] = await host.hosted();
      const [theirs] = await rig.hostOf(other.nodeName ?? '').hosted();
      expect(mine?.hook?.port).toBeGreaterThan(0);
      expect(mine?.hook?.token).not.toBe(theirs?.hook?.token);
      expect(mine?.hook?.token).not.toBe('');
    });

    it('does not host as running what has ended', async () => {
      await rig.cluster.remove(seen.name);
      await rig.until(async () => (await seenOf(rig, seen.name)).endedAtMs !== null, 'it ends');
      // The machine may be given back by now.
      const hosted = await host.hosted().catch(() => []);
      expect(hosted.filter((a) => !a.ended)).toEqual([]);
    });

    it('has no marks at first', async () => {
      expect(await host.marks()).toEqual({ interruption: null, rebalanceAtMs: null, cordonedBy: null });
    });

    it('writes marks on the node, each without touching the others; the worker sees them', async () => {
      const interruption = notice();
      await host.annotateNode({ interruption });
      expect(await host.marks()).toEqual({ interruption, rebalanceAtMs: null, cordonedBy: null });
      const rebalanceAtMs = rig.nowMs();
      await host.annotateNode({ rebalanceAtMs });
      await host.cordon();
      expect(await host.marks()).toEqual({ interruption, rebalanceAtMs, cordonedBy: 'nerve' });
      expect(await node()).toMatchObject({ name: seen.nodeName, interruption, rebalanceAtMs, cordonedBy: 'nerve', ready: true, silentSinceMs: null });
    });

    it('takes a mark away with null', async () => {
      await host.annotateNode({ interruption: notice(), rebalanceAtMs: rig.nowMs() });
      await host.annotateNode({ interruption: null });
      expect(await host.marks()).toMatchObject({ interruption: null, rebalanceAtMs: expect.any(Number) });
      await host.annotateNode({ rebalanceAtMs: null });
      expect(await host.marks()).toMatchObject({ interruption: null, rebalanceAtMs: null });
    });

    it("cordons in Nerve's name and undoes it, each as often as one likes", async () => {
      await host.cordon();
      await host.cordon();
      expect((await node())?.cordonedBy).toBe('nerve');
      await host.uncordon();
      await host.uncordon();
      expect(await host.marks()).toMatchObject({ cordonedBy: null });
      expect((await node())?.cordonedBy).toBeNull();
      expect((await seenOf(rig, seen.name)).endedAtMs).toBeNull();
    });

    it('writes what the hook reported on the attempt, part by part; the worker sees it', async () => {
      const atMs = rig.nowMs();
      const resumed = { step: 0, epoch: 1, checkpointId: null, atMs };
      const progress = { step: 10, totalSteps: 100, remainingMs: 90_000, atMs };
      const lastCheckpoint = { id: '0000000002', step: 10, bytes: 1000, durationMs: 20, sealedAtMs: atMs, final: false };
      await host.annotateAttempt(seen.name, { resumed, progress });
      expect(await seenOf(rig, seen.name)).toMatchObject({ resumed, progress, lastCheckpoint: null });
      await host.annotateAttempt(seen.name, { lastCheckpoint });
      expect(await seenOf(rig, seen.name)).toMatchObject({ resumed, progress, lastCheckpoint });
      await host.annotateAttempt(seen.name, { progress: { ...progress, step: 20 } });
      expect(await seenOf(rig, seen.name)).toMatchObject({ resumed, progress: { step: 20 }, lastCheckpoint });
    });

    it('of an attempt that is not there any more writes nothing, and that is no error', async () => {
      await expect(
        host.annotateAttempt(nameOf('j-nobody'), { resumed: { step: 0, epoch: 1, checkpointId: null, atMs: rig.nowMs() } }),
      ).resolves.toBeUndefined();
      expect((await seenOf(rig, seen.name)).resumed).toBeNull();
    });

    it('says that the node is gone when it is', async () => {
      await rig.take(seen.nodeName ?? '');
      for (const write of [() => host.annotateNode({ interruption: notice() }), () => host.cordon(), () => host.uncordon(), () => host.marks()])
        await expect(write()).rejects.toMatchObject({ name: 'NerveError', kind: 'not-found' });
    });
  });
}
