// Level 1, small: a real control plane with fake nodes, the worker and the agent as processes with the chart's rights, 50 jobs that arrive as gated,
// adopted pods (as the webhook leaves them), and five interruption notices. Nothing is late, nothing trains twice, everything ends.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '../../src/engine/pod/types.ts';
import { type ControlPlane, createNode, createNodes, startControlPlane, type TestNode, whyNoCluster } from '../support/k8s/control-plane.ts';
import type { Daemon } from '../support/k8s/daemon.ts';
import { type Metadata, startMetadata } from '../support/k8s/metadata.ts';
import { createAccounts, startNerve } from '../support/k8s/nerve.ts';
import { startTrainings, type Trainings } from '../support/k8s/trainings.ts';
import { type TestRedis, testRedis } from '../support/redis.ts';

const why = await whyNoCluster();
const NAMESPACE = 'jobs';
const JOBS = 50;
const NOTICES = 5;
const NOTICE_MS = 12_000;

let plane: ControlPlane;
let redis: TestRedis;
let metadata: Metadata;
let trainings: Trainings;
let nodes: readonly TestNode[];
const programs: Daemon[] = [];

const settings = `
policy:
  marginSeconds: 10
  onDemandLeadSeconds: 10
  startOverheadSeconds: 5
  placementTimeoutSeconds: 20
  maxUnsavedSeconds: 5
`;
const prices = `
region: eu-west-3
source: made up for this test
readAt: 2026-11-25T00:00:00Z
prices:
  - instanceType: g6.xlarge
    onDemandUsdPerHour: 1.0216
    spotUsdPerHour: { eu-west-3a: 0.3573, eu-west-3b: 0.3789, eu-west-3c: 0.41 }
`;

/** As the webhook leaves a labelled pod. */
function adoptedPod(index: number, workSeconds: number, deadlineMs: number): unknown {
  const jobId = `j-smoke${String(index).padStart(3, '0')}`;
  const env = {
    NERVE_JOB_ID: jobId,
    NERVE_ATTEMPT: '1',
    NERVE_HOOK_PORT: '8711',
    NERVE_HOOK_TOKEN: randomBytes(12).toString('hex'),
    NERVE_CHECKPOINT_URI: `s3://bucket/${jobId}`,
    TEST_STEPS: String(workSeconds * 10),
  };
  return {
    metadata: {
      name: `training-${index}`,
      labels: { 'nerve.io/tier': 'async', 'nerve.io/job-id': jobId },
      annotations: {
        'nerve.io/deadline': new Date(deadlineMs).toISOString(),
        'nerve.io/expected-duration': `${workSeconds}s`,
        'nerve.io/webhook': 'test',
        'nerve.io/attempt': '1',
      },
    },
    spec: {
      restartPolicy: 'Never',
      schedulingGates: [{ name: 'nerve.io/hold' }],
      containers: [{ name: 'main', image: 'none', env: Object.entries(env).map(([name, value]) => ({ name, value })) }],
    },
  };
}

const tails = (): string => programs.map((each) => `--- ${each.name}\n${readFileSync(each.logFile, 'utf8').slice(-3000)}`).join('\n');

async function until(what: () => boolean | Promise<boolean>, limitMs: number, say: () => string): Promise<void> {
  const from = Date.now();
  while (!(await what())) {
    if (Date.now() - from > limitMs) throw new Error(`not within ${limitMs / 1000} s: ${say()}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Two minutes, here twelve seconds, and the machine is gone; a new one of that name comes after a while. */
async function takeBack(node: TestNode): Promise<void> {
  metadata.notice(node.name, Date.now() + NOTICE_MS);
  await new Promise((resolve) => setTimeout(resolve, NOTICE_MS));
  trainings.vanish(node.name);
  const { admin } = plane;
  await admin.call('DELETE', `/api/v1/nodes/${node.name}`);
  const left = await admin.call<{ items: readonly Pod[] }>('GET', `/api/v1/namespaces/${NAMESPACE}/pods?fieldSelector=spec.nodeName=${node.name}`);
  for (const pod of left.items) {
    await admin.call('DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/${pod.metadata.name ?? ''}?gracePeriodSeconds=0`).catch(() => undefined);
  }
  metadata.calm(node.name);
  await createNode(admin, node);
}

describe.skipIf(why !== null)(`a level-1 cluster${why === null ? '' : ` (skipped: ${why})`}`, () => {
  beforeAll(async () => {
    [plane, redis, metadata] = await Promise.all([startControlPlane(), testRedis(), startMetadata()]);
    await createAccounts(plane.admin, NAMESPACE);
    nodes = await createNodes(plane.admin, 2);
    trainings = startTrainings(plane.admin, NAMESPACE);
    mkdirSync(plane.folder, { recursive: true });
    const file = (name: string, text: string): string => {
      writeFileSync(join(plane.folder, name), text);
      return join(plane.folder, name);
    };
    const periods = {
      NERVE_SWEEP_SECONDS: '3',
      NERVE_NOTICE_SECONDS: String(NOTICE_MS / 1000),
      NERVE_AGENT_POLL_SECONDS: '1',
      NERVE_PROGRESS_SECONDS: '2',
    };
    const workerEnv = {
      ...periods,
      NERVE_REDIS_URL: redis.url,
      NERVE_CONFIG: file('nerve.yaml', settings),
      NERVE_PRICE_FILE: file('prices.yaml', prices),
      NERVE_ATTEMPT_KEY_FILE: file('key', randomBytes(32).toString('base64')),
    };
    programs.push(await startNerve(plane, { role: 'worker', name: 'worker', env: workerEnv }));
    const args = [...nodes.flatMap(({ name }) => ['--node', name]), '--imds', metadata.url];
    programs.push(await startNerve(plane, { role: 'agent', name: 'agent', args, env: periods }));
  }, 300_000);

  afterAll(async () => {
    for (const each of programs) await each.stop();
    await trainings?.stop();
    await metadata?.close();
    await plane?.stop();
    await redis?.stop();
  }, 60_000);

  it('brings fifty jobs through five notices: all end in time, and none trains twice at once', { timeout: 420_000 }, async () => {
    const path = `/api/v1/namespaces/${NAMESPACE}/pods`;
    for (let index = 0; index < JOBS; index++) {
      const workSeconds = 20 + (index % 5) * 5;
      await plane.admin.call('POST', path, adoptedPod(index, workSeconds, Date.now() + (workSeconds + 60 + (index % 7) * 15) * 1000));
    }
    await until(() => trainings.running().length >= JOBS / 2, 120_000, tails);
    let given = 0;
    while (given < NOTICES && trainings.ended.size < JOBS) {
      const busy = Map.groupBy(trainings.running(), ({ node }) => node);
      const [name] = [...busy].toSorted((a, b) => b[1].length - a[1].length)[0] ?? [];
      const node = nodes.find((each) => each.name === name && each.capacityType === 'spot');
      if (node === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        continue;
      }
      given += 1;
      await takeBack(node);
    }
    await until(
      () => trainings.ended.size >= JOBS,
      240_000,
      () => `${trainings.ended.size} of ${JOBS} ended; ${tails()}`,
    );
    const ended = [...trainings.ended.values()];
    const late = ended.filter((job) => job.atMs > job.deadlineMs);
    const moved = ended.filter((job) => job.attempts > 1).length;
    console.log(
      `${given} notices, ${moved} of ${JOBS} jobs moved, ${ended.reduce((sum, job) => sum + job.redone, 0)} steps of 10/s redone, ${late.length} late`,
    );
    expect(trainings.faults).toEqual([]);
    expect(late).toEqual([]);
    expect(moved).toBeGreaterThan(0);
    // What the worker says of them on their pods.
    await until(
      async () => {
        const { items } = await plane.admin.call<{ items: readonly Pod[] }>('GET', path);
        const states = Map.groupBy(items, (pod) => pod.metadata.labels?.['nerve.io/job-id'] ?? '');
        return [...states.values()].every((pods) => pods.some((pod) => pod.metadata.annotations?.['nerve.io/state'] === 'succeeded'));
      },
      60_000,
      tails,
    );
  });
});
