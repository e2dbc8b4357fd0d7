// The agent's node: pods of the async tier that are bound to it, followed with a field selector, and what may be written about both. The
// agent never lists the cluster. Whatever has a hook is asked, whether the worker knows it or not: a pod that came while Nerve was away, or whose
// job has ended for Nerve, is taken back by the cloud like any other.

import { NerveError } from '../../engine/errors.ts';
import { ASYNC_TIER, ENV, HOOK_PORT, NODE, POD, TIER_LABEL } from '../../engine/pod/names.ts';
import { drainerOf, noticeText, observeNode } from '../../engine/pod/node.ts';
import { attemptNumber, jobIdOf, observePod } from '../../engine/pod/observe.ts';
import { annotation, object, rfc3339, text } from '../../engine/pod/read.ts';
import { attemptAnnotations } from '../../engine/pod/written.ts';
import type { Node, Pod } from '../../engine/pod/types.ts';
import type { Clock, HookTarget, HostedAttempt, Log, NodeHost } from '../../ports.ts';
import type { Api } from './api.ts';
import { createReader } from './reader.ts';
import { slimPod } from './slim.ts';

/** The value of `nerve.io/cordoned-by` that the engine knows as ours. */
const US = 'nerve';

export interface KubernetesNodeHost extends NodeHost {
  run(signal: AbortSignal): Promise<void>;
}

export function kubernetesNodeHost(api: Api, nodeName: string, clock: Clock, log: Log): KubernetesNodeHost {
  const labels = encodeURIComponent(`${TIER_LABEL}=${ASYNC_TIER}`);
  const reader = createReader<Pod>({
    api,
    path: '/api/v1/pods',
    query: `labelSelector=${labels}&fieldSelector=${encodeURIComponent(`spec.nodeName=${nodeName}`)}`,
    slim: slimPod,
    clock,
    log,
    changed: () => undefined,
    gone: () => undefined,
  });
  const path = `/api/v1/nodes/${nodeName}`;
  const read = (): Promise<Node> => api.call<Node>({ path });
  const patchNode = (body: unknown): Promise<unknown> => api.call({ method: 'PATCH', path, type: 'application/merge-patch+json', body });

  return {
    run: (signal) => reader.run(signal),
    hosted: async () => {
      await reader.synced;
      return [...reader.objects.values()].map(hosted);
    },
    marks: async () => {
      const { interruption, rebalanceAtMs, cordonedBy } = observeNode(await read());
      return { interruption, rebalanceAtMs, cordonedBy };
    },
    annotateNode: async ({ interruption, rebalanceAtMs }) => {
      const annotations = {
        ...(interruption === undefined ? {} : { [NODE.interruption]: interruption === null ? null : noticeText(interruption) }),
        ...(rebalanceAtMs === undefined ? {} : { [NODE.rebalance]: rebalanceAtMs === null ? null : rfc3339(rebalanceAtMs) }),
      };
      await patchNode({ metadata: { annotations } });
    },
    cordon: async () => {
      const drainer = drainerOf(await read());
      if (drainer !== null) {
        log.warn({ node: nodeName, drainer }, 'somebody else drains this node; it is left to them');
        return;
      }
      await patchNode({ metadata: { annotations: { [NODE.cordonedBy]: US } }, spec: { unschedulable: true } });
    },
    uncordon: async () => void (await patchNode({ metadata: { annotations: { [NODE.cordonedBy]: null } }, spec: { unschedulable: null } })),
    annotateAttempt: async (name, written) => {
      const pod = [...reader.objects.values()].find((each) => nameOf(each) === name);
      if (pod === undefined) return;
      const body = { metadata: { annotations: attemptAnnotations(written) } };
      const { namespace, name: podName } = pod.metadata;
      await api
        .call({ method: 'PATCH', path: `/api/v1/namespaces/${namespace ?? ''}/pods/${podName ?? ''}`, type: 'application/merge-patch+json', body })
        .catch((error: unknown) => {
          if (!(error instanceof NerveError && error.kind === 'not-found')) throw error;
        });
    },
  };
}

/** Unlike an attempt's name nobody else can bear it. */
const nameOf = ({ metadata: { namespace, name } }: Pod): string => `${namespace ?? ''}/${name ?? ''}`;

function hosted(pod: Pod): HostedAttempt {
  const [jobId, attempt] = [jobIdOf(pod) ?? '', attemptNumber(pod) ?? 0];
  const { stopRequest, endedAtMs } = observePod(pod, { jobId, attempt, node: null, goneAtMs: null });
  const hook = pod.status?.phase === 'Running' ? hookOf(pod) : null;
  return { name: nameOf(pod), jobId, attempt, hook, stopRequest, ...drillOf(pod), ended: endedAtMs !== null };
}

function hookOf(pod: Pod): HookTarget | null {
  const host = pod.status?.podIP;
  if (host === undefined) return null;
  for (const { env } of pod.spec.containers) {
    const value = (name: string): string | undefined => env?.find((variable) => variable.name === name)?.value;
    const token = value(ENV.hookToken);
    if (token !== undefined) return { host, port: Number(value(ENV.hookPort) ?? HOOK_PORT), token };
  }
  return null;
}

function drillOf(pod: Pod): Pick<HostedAttempt, 'drill' | 'drilled'> {
  return { drill: annotation(pod, POD.drill), drilled: text(object(annotation(pod, POD.drillResult))?.['nonce']) };
}
