// What happens in the soak's cluster: jobs arrive as gated pods of some 6 kB, run for a second on a node, end, and are deleted a little later; some
// hundred others stand there all the time, running or held. One node is the agent's own, with pods whose hooks answer.

import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SoakCluster } from './cluster.ts';

const ZONES = ['eu-west-3a', 'eu-west-3b', 'eu-west-3c'] as const;
const RUN_MS = 1000;
const TICK_MS = 20;
const KEPT_MS = 5000;
const HOUR_MS = 3_600_000;
const PAD = 'x'.repeat(4500);
export const AGENT_NODE = 'n-a-spot-agents';
/** Pods on the agent's node: as many as one machine has GPUs. */
const AGENT_PODS = 8;
export const NAMESPACE = 'default';

export interface Life {
  readonly arrived: () => number;
  readonly ended: () => number;
  stop(): Promise<void>;
}

export function createNodes(cluster: SoakCluster): void {
  const pools = ZONES.flatMap((zone) =>
    ['spot', 'on-demand'].map((capacityType) => ({ zone, capacityType, name: `n-${zone.at(-1)}-${capacityType}` })),
  );
  for (const { zone, capacityType, name } of [...pools, { zone: ZONES[0], capacityType: 'spot', name: AGENT_NODE }]) {
    const labels = {
      'kubernetes.io/hostname': name,
      'topology.kubernetes.io/zone': zone,
      'node.kubernetes.io/instance-type': 'g6.xlarge',
      'karpenter.sh/capacity-type': capacityType,
    };
    cluster.put('nodes', { metadata: { name, labels }, spec: {}, status: { conditions: [{ type: 'Ready', status: 'True' }] } });
  }
}

/** As the webhook leaves it. */
function gatedPod(jobId: string, workSeconds: number, deadlineMs: number, hookPort = 8711): object {
  const env = {
    NERVE_JOB_ID: jobId,
    NERVE_ATTEMPT: '1',
    NERVE_HOOK_PORT: String(hookPort),
    NERVE_HOOK_TOKEN: randomBytes(12).toString('hex'),
    NERVE_CHECKPOINT_URI: `s3://bucket/${jobId}`,
    SOMEBODY_ELSES: PAD,
  };
  return {
    metadata: {
      name: `pod-of-${jobId}`,
      namespace: NAMESPACE,
      creationTimestamp: new Date().toISOString(),
      labels: { 'nerve.io/tier': 'async', 'nerve.io/job-id': jobId },
      annotations: {
        'nerve.io/deadline': new Date(deadlineMs).toISOString(),
        'nerve.io/expected-duration': `${workSeconds}s`,
        'nerve.io/webhook': '0.1.0',
        'nerve.io/attempt': '1',
      },
    },
    spec: {
      restartPolicy: 'Never',
      schedulingGates: [{ name: 'nerve.io/hold' }],
      containers: [{ name: 'main', image: 'none', env: Object.entries(env).map(([name, value]) => ({ name, value })) }],
    },
    status: { phase: 'Pending' },
  };
}

const idOf = (name: string): string => name.replace(/^pod-of-/, '').replace(/^nerve-(.*)-a\d+$/, '$1');

export async function startLife(
  cluster: SoakCluster,
  { standing, jobsAMinute }: { readonly standing: number; readonly jobsAMinute: number },
): Promise<Life> {
  const hooks = await startHook();
  const { port } = hooks.address() as AddressInfo;
  let arrived = 0;
  let ended = 0;
  let stopped = false;
  const later = (ms: number, act: () => void): void => void setTimeout(() => stopped || act(), ms).unref();
  const change = (key: string, status: object, spec: object = {}): void => {
    const pod = cluster.get('pods', key);
    if (pod !== undefined) cluster.put('pods', { ...pod, spec: { ...pod.spec, ...spec }, status: { ...pod.status, ...status } });
  };
  cluster.released = ({ metadata, spec }) => {
    const key = `${NAMESPACE}/${metadata.name ?? ''}`;
    const jobId = idOf(metadata.name ?? '');
    const asked = JSON.stringify(spec['affinity'] ?? {});
    const zone = ZONES.find((each) => asked.includes(each)) ?? ZONES[0];
    const nodeName = jobId.startsWith('j-here') ? AGENT_NODE : `n-${zone.at(-1)}-${asked.includes('on-demand') ? 'on-demand' : 'spot'}`;
    later(50, () => {
      const at = new Date().toISOString();
      change(
        key,
        { phase: 'Running', podIP: '127.0.0.1', startTime: at, conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: at }] },
        { nodeName },
      );
      if (!jobId.startsWith('j-short')) return;
      later(RUN_MS, () => {
        const finishedAt = new Date().toISOString();
        change(key, { phase: 'Succeeded', containerStatuses: [{ name: 'main', state: { terminated: { exitCode: 0, finishedAt } } }] });
        ended += 1;
        later(KEPT_MS, () => cluster.remove('pods', key));
      });
    });
  };
  for (let index = 0; index < standing; index++) {
    const here = index < AGENT_PODS;
    // A fifth is held: no zone's spot is as cheap as they want it. The others run.
    const held = !here && index % 5 === 0;
    const pod = gatedPod(`j-${here ? 'here' : 'stand'}${index}`, 3 * 3600, Date.now() + 20 * HOUR_MS, port) as { metadata: { annotations: object } };
    if (held) pod.metadata.annotations = { ...pod.metadata.annotations, 'nerve.io/max-price': '0.01' };
    cluster.put('pods', pod);
  }
  const fromMs = performance.now();
  const arriving = setInterval(() => {
    // A late timer makes up for what it missed.
    while (arrived < ((performance.now() - fromMs) / 60_000) * jobsAMinute) {
      arrived += 1;
      cluster.put('pods', gatedPod(`j-short${arrived}`, 600, Date.now() + 2 * HOUR_MS));
    }
  }, TICK_MS);
  return {
    arrived: () => arrived,
    ended: () => ended,
    stop: async () => {
      stopped = true;
      clearInterval(arriving);
      hooks.closeAllConnections();
      await new Promise<void>((resolve) => hooks.close(() => resolve()));
    },
  };
}

/** Training that goes on: a step a second, a checkpoint a minute. */
async function startHook(): Promise<Server> {
  const fromMs = Date.now();
  const server = createServer((_request, response) => {
    const step = Math.floor((Date.now() - fromMs) / 1000);
    const saved = step - (step % 60);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        step,
        totalSteps: 10_800,
        stepsPerSecond: 1,
        resumed: { step: 0, epoch: 1, checkpointId: null, ageSeconds: step },
        lastCheckpoint: { id: String(saved), step: saved, bytes: 1000, durationMs: 500, final: false, ageSeconds: step - saved },
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
