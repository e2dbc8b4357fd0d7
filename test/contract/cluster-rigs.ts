// The clusters that the contracts of Cluster and NodeHost run on: the simulation's, in virtual time, and the local one: the simulated
// cloud behind its unix socket, a kubelet per node, real processes.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Cloud, type CloudState, createCloud } from '../../src/adapters/local/cloud.ts';
import { cloudClient, localCluster, localNodeHost } from '../../src/adapters/local/cloud-client.ts';
import { serveCloud } from '../../src/adapters/local/cloud-server.ts';
import { forgetEnvironment, type JobPaths, keepEnvironment } from '../../src/adapters/local/job-files.ts';
import { runKubelet } from '../../src/adapters/local/kubelet.ts';
import { identify, type ProcessIdentity, signalIfAlive } from '../../src/adapters/process/identity.ts';
import { clockFrom } from '../../src/adapters/system/clock.ts';
import type { Placement } from '../../src/engine/decision.ts';
import type { JobId } from '../../src/engine/job.ts';
import type { Cluster } from '../../src/ports.ts';
import { HOUR, MINUTE, NOW, spec } from '../support/build.ts';
import { quiet } from '../support/clock.ts';
import { freePort } from '../../src/adapters/system/free-port.ts';
import { CALM } from '../support/sim/cloud-plan.ts';
import { plainNature, simCluster, type JobNature, type SimNode } from '../support/sim/cluster.ts';
import { simMarket } from '../support/sim/market.ts';
import { random } from '../support/sim/random.ts';
import { simTime } from '../support/sim/time.ts';
import type { ClusterRig, Program } from './cluster.ts';

const place = (zone: string, instanceType = 'g4dn.xlarge'): Placement => ({ zone, instanceType, capacityType: 'spot', priceUsdPerHour: 0.16 });

/** The simulation's cluster on a calm day: nothing is taken unless the test takes it. */
export async function memoryClusterRig(): Promise<ClusterRig> {
  const time = simTime(NOW);
  const dry = place('euw3-az1');
  const market = simMarket(time, 1, { dry: [{ ...dry, fromMs: NOW - HOUR, toMs: NOW + 1000 * HOUR }], lies: [] });
  const listeners = new Set<(jobIds: readonly JobId[]) => void>();
  const known = new Map<string, SimNode>();
  const sim = simCluster(time, market, { ...CALM, noticeMs: 2 * MINUTE, graceMs: 30_000, bootMs: [300, 3000] }, random(1), {
    nodeUp: (node) => known.set(node.name, node),
    nodeDown: () => undefined,
    changed: (jobIds) => {
      for (const listener of listeners) listener(jobIds);
    },
    twiceAtOnce: () => undefined,
  });
  const watch: Cluster['watch'] = async (changed, signal) => {
    if (signal.aborted) return;
    listeners.add(changed);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    listeners.delete(changed);
  };
  const nodeOf = (name: string): SimNode => {
    const node = known.get(name);
    if (node === undefined) throw new Error(`there never was a node ${name}`);
    return node;
  };
  return {
    cluster: { ...sim.port, watch },
    elsewhere: { ...sim.port, watch },
    hostOf: (name) => sim.hostOf(nodeOf(name)),
    spec: (id, program) => {
      sim.natures.set(id, natureOf(program));
      return spec({ id });
    },
    places: { one: place('euw3-az2'), other: place('euw3-az3'), dry },
    isUp: async (name) => sim.trainingOf(name)?.state() === 'training',
    nowMs: () => time.nowMs(),
    until: async (condition, what) => {
      const endMs = time.nowMs() + HOUR;
      while (!(await condition())) {
        if (time.nowMs() >= endMs) throw new Error(`it did not happen: ${what}`);
        const next = time.nowMs() + 500;
        time.at(next, () => undefined);
        await time.run(next, () => false);
      }
    },
    take: async (name) => sim.take(nodeOf(name)),
    close: async () => undefined,
  };
}

function natureOf(program: Program): JobNature {
  switch (program) {
    case 'stays':
      return plainNature(1000 * HOUR);
    case 'stubborn':
      return { ...plainNature(1000 * HOUR), boundaryMs: HOUR };
    case 'fails':
      return { ...plainNature(HOUR), failures: new Map([1, 2, 3].map((attempt) => [attempt, MINUTE])) };
    case 'succeeds':
      return plainNature(MINUTE);
  }
}

/** 18:00 in Paris on a day with capacity. */
const EVENING = Date.parse('2026-11-24T18:00:00+01:00');
const GRACE_MS = 300;
const POLL_MS = 20;
const PATIENCE_MS = 20_000;

const COMMANDS: Readonly<Record<Program, string>> = {
  stays: 'trap "exit 143" TERM; : > "$NERVE_SCRATCH/up"; while :; do sleep 0.05; done',
  stubborn: 'trap "" TERM; : > "$NERVE_SCRATCH/up"; while :; do sleep 0.05; done',
  fails: 'echo planned >&2; exit 3',
  succeeds: 'exit 0',
};

export interface LocalClusterRig extends ClusterRig {
  readonly socketPath: string;
  readonly paths: JobPaths;
  /** As `nerve submit` keeps the shell's environment. */
  keepEnvironment(jobId: JobId): void;
  /** The cloud's own view, as it is on disk. */
  state(): CloudState;
}

export async function localClusterRig(): Promise<LocalClusterRig> {
  const folder = mkdtempSync(join(tmpdir(), 'nc-'));
  const paths: JobPaths = { jobDir: (id) => join(folder, 'jobs', id), attemptDir: (id, attempt) => join(folder, 'jobs', id, String(attempt)) };
  const clock = clockFrom({ realMs: Date.now(), virtualMs: EVENING, speed: 1 });
  const kubelets = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();
  const socketPath = join(folder, 'cloud.sock');
  const cloud: Cloud = createCloud({
    clock,
    log: quiet,
    noticeRealMs: 120_000,
    state: { weather: { seed: 'cloud', droughtFromMs: null }, nodes: {}, attempts: {} },
    save: () => undefined,
    freePort,
    onNode: ({ name: node }) => {
      const stop = new AbortController();
      const options = { cloud, node, clock, log: quiet, paths, pollRealMs: POLL_MS, graceRealMs: GRACE_MS, checkpointEveryRealMs: null };
      kubelets.set(node, { stop, done: runKubelet({ ...options, cloud: cloudClient(socketPath) }, stop.signal) });
    },
    onNodeGone: (node) => kubelets.get(node)?.stop.abort(),
    onForget: (jobId) => forgetEnvironment(paths, jobId),
    onShutDown: () => undefined,
  });
  const server = await serveCloud(cloud, socketPath);
  const ticking = setInterval(() => cloud.tick(), POLL_MS);
  return {
    socketPath,
    paths,
    state: () => cloud.state(),
    keepEnvironment: (jobId) => keepEnvironment(paths, jobId, { SECRET: 'of the shell' }),
    cluster: localCluster(cloudClient(socketPath)),
    elsewhere: localCluster(cloudClient(socketPath)),
    hostOf: (name) => localNodeHost(cloudClient(socketPath), name),
    spec: (id, program) => spec({ id, submittedAtMs: EVENING, program: { kind: 'process', command: ['sh', '-c', COMMANDS[program]], cwd: folder } }),
    places: { one: place('euw3-az2'), other: place('euw3-az3'), dry: place('euw3-az1', 'g6.xlarge') },
    isUp: async (name) => {
      const { jobId, attempt } = cloud.state().attempts[name]?.seen ?? { jobId: '', attempt: 0 };
      return existsSync(join(paths.attemptDir(jobId, attempt), 'scratch', 'up'));
    },
    nowMs: () => clock.nowMs(),
    until: async (condition, what) => {
      const endMs = performance.now() + PATIENCE_MS;
      while (!(await condition())) {
        if (performance.now() > endMs) throw new Error(`it did not happen: ${what}`);
        await clock.sleep(10);
      }
    },
    take: async (name) => {
      const jobId = (await cloud.attempts({})).find((a) => a.nodeName === name)?.jobId ?? '';
      await cloud.disturb({ jobId, kind: 'vanish' });
    },
    close: async () => {
      clearInterval(ticking);
      for (const { stop } of kubelets.values()) stop.abort();
      await Promise.all([...kubelets.values()].map(({ done }) => done));
      for (const process of startedIn(join(folder, 'jobs'))) signalIfAlive(process, 'SIGKILL', true);
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Every process that was started, also one that a faulty cluster has lost sight of. */
function startedIn(jobsDir: string): readonly ProcessIdentity[] {
  if (!existsSync(jobsDir)) return [];
  const pids = readdirSync(jobsDir, { recursive: true, encoding: 'utf8' }).filter((path) => basename(path) === 'pid');
  return pids.flatMap((path) => identify(Number(readFileSync(join(jobsDir, path), 'utf8'))) ?? []);
}
