import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cloudClient, localCluster, localNodeHost } from '../../src/adapters/local/cloud-client.ts';
import { askFor, clusterContract, nameOf, untilSeen } from './cluster.ts';
import { localClusterRig, memoryClusterRig } from './cluster-rigs.ts';
import { notFailing } from './outage.ts';

clusterContract('memory', memoryClusterRig);
clusterContract('this machine', localClusterRig);

describe('cluster: this machine', () => {
  it('keeps a private file of a job until it is forgotten, and then takes away only that', async () => {
    const rig = await localClusterRig();
    const kept = (jobId: string): boolean => existsSync(join(rig.paths.jobDir(jobId), 'env.json'));
    for (const id of ['j-one', 'j-two']) {
      rig.keepEnvironment(id);
      await rig.cluster.launch(askFor(rig, id, 'fails'));
    }
    await untilSeen(rig, nameOf('j-one'), 'ends', (seen) => seen.endedAtMs !== null);
    expect(['j-one', 'j-two'].map(kept)).toEqual([true, true]);
    await rig.cluster.forget('j-one');
    expect(['j-one', 'j-two'].map(kept)).toEqual([false, true]);
    await rig.close();
  });

  describe('whose cloud', () => {
    let folder = '';
    let server: Server | null = null;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'nc-'));
    });
    afterEach(() => {
      server?.closeAllConnections();
      server?.close();
      server = null;
      rmSync(folder, { recursive: true, force: true });
    });
    const socketPath = (): string => join(folder, 'cloud.sock');
    const everyMethod = () => {
      const cloud = cloudClient(socketPath(), 300);
      const cluster = localCluster(cloud);
      const host = localNodeHost(cloud, 'i-1');
      return {
        attempts: () => cluster.attempts(),
        attemptsOf: () => cluster.attemptsOf('j-1'),
        requestStop: () => cluster.requestStop(nameOf('j-1'), 'move'),
        remove: () => cluster.remove(nameOf('j-1')),
        forget: () => cluster.forget('j-1'),
        watch: () => cluster.watch(() => undefined, new AbortController().signal),
        hosted: () => host.hosted(),
        marks: () => host.marks(),
        annotateNode: () => host.annotateNode({ rebalanceAtMs: 1 }),
        cordon: () => host.cordon(),
        uncordon: () => host.uncordon(),
        annotateAttempt: () => host.annotateAttempt(nameOf('j-1'), {}),
      };
    };

    it('is not there is unreachable', async () => {
      expect(await notFailing(everyMethod(), ['unreachable'], 6000)).toEqual({});
    });

    it.each<[string, (server: Server) => Server]>([
      ['takes calls and never answers', (s) => s.on('request', () => undefined)],
      ['hangs up', (s) => s.on('request', (request) => request.socket.destroy())],
      [
        'hangs up in the middle of its answer',
        (s) => s.on('request', (_, response) => response.writeHead(200, { 'content-length': 99 }).write('{', () => response.destroy())),
      ],
      ['answers what is no JSON', (s) => s.on('request', (_, response) => response.end('<html>'))],
      ['fails without a reason', (s) => s.on('request', (_, response) => response.writeHead(502).end('bad gateway'))],
    ])('%s is unreachable, in bounded time', async (_what, behave) => {
      const bad = behave(createServer());
      server = bad;
      await new Promise<void>((resolve) => bad.listen(socketPath(), resolve));
      expect(await notFailing(everyMethod(), ['unreachable'], 6000)).toEqual({});
    });
  });
});
