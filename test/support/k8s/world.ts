// A level-1 world: control plane, nodes, Redis, instance metadata, fake training, and Nerve's worker and agent as processes.

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod, PodSpec } from '../../../src/engine/pod/types.ts';
import { type TestRedis, testRedis } from '../redis.ts';
import { ApiError } from './admin.ts';
import { type ControlPlane, createNode, createNodes, startControlPlane, type TestNode } from './control-plane.ts';
import type { Daemon } from './daemon.ts';
import { type Metadata, startMetadata } from './metadata.ts';
import { createAccounts, startNerve } from './nerve.ts';
import { startTrainings, type TrainingOptions, type Trainings } from './trainings.ts';

export const NAMESPACE = 'jobs';
/** Of an interruption notice. */
const NOTICE_MS = 12_000;
/** An API server that is away comes back within this. */
const NODE_GONE_LIMIT_MS = 300_000;

const SETTINGS = `
policy:
  marginSeconds: 10
  onDemandLeadSeconds: 10
  startOverheadSeconds: 5
  placementTimeoutSeconds: 20
  maxUnsavedSeconds: 5
`;
/** What must fit between an on-demand start and the deadline with these settings and a sweep of 3 s, in seconds. */
export const OVERHEAD_SECONDS = 10 + 10 + 5 + 12 + 3;

const PRICES = `
region: eu-west-3
source: made up for this test
readAt: 2026-11-25T00:00:00Z
prices:
  - instanceType: g6.xlarge
    onDemandUsdPerHour: 1.0216
    spotUsdPerHour: { eu-west-3a: 0.3573, eu-west-3b: 0.3789, eu-west-3c: 0.41 }
`;

export interface World {
  readonly plane: ControlPlane;
  readonly redis: TestRedis;
  readonly metadata: Metadata;
  readonly trainings: Trainings;
  readonly nodes: readonly TestNode[];
  readonly worker: Daemon;
  readonly agent: Daemon;
  startWorker(name: string, env?: Readonly<Record<string, string>>): Promise<Daemon>;
  create(pod: unknown): Promise<Pod>;
  pods(selector?: string): Promise<readonly Pod[]>;
  annotate(pod: string, annotations: Readonly<Record<string, string>>): Promise<void>;
  /** The notice's time (here twelve seconds), then the machine is gone; a new one of that name comes. */
  takeBack(node: TestNode): Promise<void>;
  /** Gone at once, without a notice. */
  vanish(node: TestNode): Promise<void>;
  /** The last lines of every program, for a failure. */
  readonly tails: () => string;
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly perPool?: number | { readonly spot: number; readonly 'on-demand': number };
  readonly training?: TrainingOptions;
  /** More environment for worker and agent. */
  readonly env?: Readonly<Record<string, string>>;
  /** What Node is started with for worker and agent; default: the source. */
  readonly program?: readonly string[];
}

export async function startWorld({ perPool = 2, training = {}, env = {}, program }: WorldOptions = {}): Promise<World> {
  const [plane, redis, metadata] = await Promise.all([startControlPlane(), testRedis(), startMetadata()]);
  const { admin } = plane;
  await createAccounts(admin, NAMESPACE);
  const nodes = await createNodes(admin, perPool);
  const trainings = startTrainings(admin, NAMESPACE, training);
  const file = (name: string, text: string): string => {
    writeFileSync(join(plane.folder, name), text);
    return join(plane.folder, name);
  };
  const periods = {
    NERVE_SWEEP_SECONDS: '3',
    NERVE_NOTICE_SECONDS: String(NOTICE_MS / 1000),
    NERVE_AGENT_POLL_SECONDS: '1',
    NERVE_PROGRESS_SECONDS: '2',
    ...env,
  };
  const started = program === undefined ? {} : { program };
  const workerEnv = {
    ...periods,
    NERVE_REDIS_URL: redis.url,
    NERVE_CONFIG: file('nerve.yaml', SETTINGS),
    NERVE_PRICE_FILE: file('prices.yaml', PRICES),
    NERVE_ATTEMPT_KEY_FILE: file('key', randomBytes(32).toString('base64')),
  };
  const programs: Daemon[] = [];
  const startWorker = async (name: string, more: Readonly<Record<string, string>> = {}): Promise<Daemon> => {
    const each = await startNerve(plane, { role: 'worker', name, env: { ...workerEnv, ...more }, ...started });
    programs.push(each);
    return each;
  };
  const worker = await startWorker('worker');
  const args = [...nodes.flatMap(({ name }) => ['--node', name]), '--imds', metadata.url];
  const agent = await startNerve(plane, { role: 'agent', name: 'agent', args, env: periods, ...started });
  programs.push(agent);

  const path = `/api/v1/namespaces/${NAMESPACE}/pods`;
  /** Deleting twice is no error: each call may be the second try. */
  const forget = async (node: TestNode): Promise<void> => {
    await admin.call('DELETE', `/api/v1/nodes/${node.name}`).catch(ifGone);
    const left = await admin.call<{ items: readonly Pod[] }>('GET', `${path}?fieldSelector=spec.nodeName=${node.name}`);
    for (const { metadata: of } of left.items) await admin.call('DELETE', `${path}/${of.name ?? ''}?gracePeriodSeconds=0`).catch(ifGone);
    metadata.calm(node.name);
    await createNode(admin, node);
  };
  const vanish = async (node: TestNode): Promise<void> => {
    trainings.vanish(node.name);
    // The machine is gone whether the API server is there to be told or not.
    const done = (): Promise<boolean> =>
      forget(node).then(
        () => true,
        () => false,
      );
    await until(done, NODE_GONE_LIMIT_MS, () => `node ${node.name} could not be deleted`);
  };
  return {
    plane,
    redis,
    metadata,
    trainings,
    nodes,
    worker,
    agent,
    startWorker,
    create: (pod) => admin.call('POST', path, pod),
    pods: async (selector = '') =>
      (await admin.call<{ items: readonly Pod[] }>('GET', `${path}?labelSelector=${encodeURIComponent(selector)}`)).items,
    annotate: async (pod, annotations) =>
      void (await admin.call('PATCH', `${path}/${pod}`, { metadata: { annotations } }, 'application/merge-patch+json')),
    takeBack: async (node) => {
      metadata.notice(node.name, Date.now() + NOTICE_MS);
      await new Promise((resolve) => setTimeout(resolve, NOTICE_MS));
      await vanish(node);
    },
    vanish,
    tails: () => programs.map((each) => `--- ${each.name}\n${readFileSync(each.logFile, 'utf8').slice(-4000)}`).join('\n'),
    stop: async () => {
      for (const each of programs) await each.stop();
      await trainings.stop();
      await metadata.close();
      await plane.stop();
      await redis.stop();
    },
  };
}

function ifGone(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 404)) throw error;
}

/** Metadata and spec of a pod as the webhook leaves a labelled one: gated, with its job's id and the checkpoint environment. */
export function adopted(jobId: string, workSeconds: number, deadlineMs: number) {
  const env = {
    NERVE_JOB_ID: jobId,
    NERVE_ATTEMPT: '1',
    NERVE_HOOK_PORT: '8711',
    NERVE_HOOK_TOKEN: randomBytes(12).toString('hex'),
    NERVE_CHECKPOINT_URI: `s3://bucket/${jobId}`,
    TEST_STEPS: String(workSeconds * 10),
  };
  const spec: PodSpec = {
    restartPolicy: 'Never',
    schedulingGates: [{ name: 'nerve.io/hold' }],
    containers: [{ name: 'main', image: 'none', env: Object.entries(env).map(([name, value]) => ({ name, value })) }],
  };
  const annotations: Readonly<Record<string, string>> = {
    'nerve.io/deadline': new Date(deadlineMs).toISOString(),
    'nerve.io/expected-duration': `${workSeconds}s`,
    'nerve.io/webhook': 'test',
  };
  return { metadata: { labels: { 'nerve.io/tier': 'async', 'nerve.io/job-id': jobId }, annotations }, spec };
}

export function adoptedPod(jobId: string, workSeconds: number, deadlineMs: number) {
  const { metadata, spec } = adopted(jobId, workSeconds, deadlineMs);
  return { metadata: { ...metadata, name: `pod-of-${jobId}`, annotations: { ...metadata.annotations, 'nerve.io/attempt': '1' } }, spec };
}

export async function until(what: () => boolean | Promise<boolean>, limitMs: number, say: () => string, everyMs = 200): Promise<void> {
  const from = Date.now();
  while (!(await what())) {
    if (Date.now() - from > limitMs) throw new Error(`not within ${limitMs / 1000} s: ${say()}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
