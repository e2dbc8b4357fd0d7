import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cloudClient, localCluster, localNodeHost } from '../../src/adapters/local/cloud-client.ts';
import type { LaunchAsk } from '../../src/ports.ts';
import { identify, type ProcessIdentity } from '../../src/adapters/process/identity.ts';
import { askFor, clusterContract, nameOf, untilSeen } from './cluster.ts';
import { type LocalClusterRig, localClusterRig, memoryClusterRig } from './cluster-rigs.ts';
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

  describe('an attempt', () => {
    let rig: LocalClusterRig;
    beforeEach(async () => {
      rig = await localClusterRig();
    });
    afterEach(() => rig.close());
    const launch = (program: string, cwd: string | null = null, over: Partial<LaunchAsk> = {}) => {
      const ask = askFor(rig, 'j-one', 'stays', over);
      const own = ask.spec.program.kind === 'process' ? ask.spec.program.cwd : '';
      return rig.cluster.launch({ ...ask, spec: { ...ask.spec, program: { kind: 'process', command: ['sh', '-c', program], cwd: cwd ?? own } } });
    };
    const ended = (attempt = 1) => untilSeen(rig, nameOf('j-one', attempt), 'ends', (seen) => seen.endedAtMs !== null);
    const inScratch = (name: string, attempt = 1): string => join(rig.paths.attemptDir('j-one', attempt), 'scratch', name);

    it('whose folder is gone fails, says so in its log, and runs nowhere else; the next one finds the folder again', async () => {
      const cwd = join(rig.paths.jobDir('j-one'), 'home');
      await launch(': > "$NERVE_SCRATCH/ran"', cwd);
      const seen = await ended();
      expect(seen).toMatchObject({ phase: 'failed', exitCode: 127, logTail: expect.stringContaining(`the folder ${cwd}`) });
      expect(seen.logTail).toMatch(/is gone.*make it again, then/i);
      expect(readFileSync(join(rig.paths.attemptDir('j-one', 1), 'log'), 'utf8')).toBe(seen.logTail);
      expect(existsSync(inScratch('ran'))).toBe(false);
      mkdirSync(cwd, { recursive: true });
      await launch('pwd > "$NERVE_SCRATCH/ran"', cwd, { name: nameOf('j-one', 2), attempt: 2 });
      expect(await ended(2)).toMatchObject({ phase: 'succeeded' });
      expect(readFileSync(inScratch('ran', 2), 'utf8')).toBe(`${cwd}\n`);
    });

    it('whose folder is a file now fails, too', async () => {
      const cwd = join(rig.paths.jobDir('j-one'), 'home');
      mkdirSync(rig.paths.jobDir('j-one'), { recursive: true });
      writeFileSync(cwd, '');
      await launch(': > "$NERVE_SCRATCH/ran"', cwd);
      expect(await ended()).toMatchObject({ phase: 'failed', logTail: expect.stringContaining('is no folder any more') });
      expect(existsSync(inScratch('ran'))).toBe(false);
    });

    /** A program that ends with 7 and leaves a child behind, which meets SIGTERM with `trap`. */
    const leaving = (trap: string): string =>
      `cd "$NERVE_SCRATCH"; sh -c 'trap "${trap}" TERM; echo $$ > child; while :; do sleep 0.02; done' & while [ ! -s child ]; do sleep 0.02; done; exit 7`;
    const child = (): ProcessIdentity | null => identify(Number(readFileSync(inScratch('child'), 'utf8')));

    it('has ended only when what its program left behind was told to end, and did', async () => {
      await launch(leaving('sleep 0.1; echo told > told; exit'));
      expect(await ended()).toMatchObject({ phase: 'failed', exitCode: 7 });
      expect(existsSync(inScratch('told'))).toBe(true);
      expect(child()).toBeNull();
    });

    it('takes with it what does not end when it is told to', async () => {
      await launch(leaving(''));
      expect(await ended()).toMatchObject({ phase: 'failed', exitCode: 7 });
      await rig.until(async () => child() === null, 'it is killed');
    });

    it('keeps the exit code of its program, also when the rest is killed before it could end', async () => {
      await launch(leaving('').replace('exit 7', ': > up; trap "exit 0" TERM; while :; do sleep 0.02; done'));
      await rig.until(async () => rig.isUp(nameOf('j-one')), 'it runs');
      await rig.cluster.remove(nameOf('j-one'));
      expect(await ended()).toMatchObject({ phase: 'succeeded', exitCode: 0 });
      await rig.until(async () => child() === null, 'it is killed');
    });
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
