// The fields of pods and nodes that are kept. A pod of 6 kB becomes one of a few hundred bytes.

import { ENV, JOB_ID_LABEL, LABELS, NODE, POD, TIER_LABEL } from '../../engine/pod/names.ts';
import type { Node, ObjectMeta, Pod, PodSpec } from '../../engine/pod/types.ts';

const OURS: ReadonlySet<string> = new Set([...Object.values(POD), ...Object.values(NODE)]);
/** Whoever may patch a pod may write 256 kB on it. The longest of ours is an affinity that its user wrote. */
const LONGEST = 16_384;
const CONDITIONS: ReadonlySet<string> = new Set(['PodScheduled', 'DisruptionTarget', 'Ready']);
const HOOK_ENV: ReadonlySet<string> = new Set([ENV.jobId, ENV.hookPort, ENV.hookToken]);
const NODE_LABELS: readonly string[] = Object.values(LABELS);

export function slimPod(pod: Pod): Pod {
  const { nodeName, restartPolicy, schedulingGates, containers } = pod.spec;
  const { phase, podIP, startTime, conditions, containerStatuses, initContainerStatuses } = pod.status ?? {};
  return defined<Pod>({
    metadata: slimMeta(pod.metadata, [TIER_LABEL, JOB_ID_LABEL]),
    spec: defined<PodSpec>({
      nodeName,
      restartPolicy,
      schedulingGates,
      containers: containers.map(({ name, env }) => ({ name, env: (env ?? []).filter((variable) => HOOK_ENV.has(variable.name)) })),
    }),
    status: defined<NonNullable<Pod['status']>>({
      phase,
      podIP,
      startTime,
      conditions: conditions
        ?.filter(({ type }) => CONDITIONS.has(type))
        .map(({ type, status, reason, lastTransitionTime }) => defined({ type, status, reason, lastTransitionTime })),
      initContainerStatuses: phase === 'Pending' ? initContainerStatuses?.map(({ name, state }) => defined({ name, state })) : undefined,
      containerStatuses: containerStatuses?.map(({ name, state, lastState, restartCount }) => defined({ name, state, lastState, restartCount })),
    }),
  });
}

export function slimNode(node: Node): Node {
  const ready = node.status?.conditions
    ?.filter(({ type }) => type === 'Ready')
    .map(({ type, status, lastTransitionTime }) => defined({ type, status, lastTransitionTime }));
  const { unschedulable, taints } = node.spec ?? {};
  return defined<Node>({
    metadata: slimMeta(node.metadata, NODE_LABELS),
    spec: defined({ unschedulable, taints }),
    status: defined({ conditions: ready }),
  });
}

function slimMeta(meta: ObjectMeta, labels: readonly string[]): ObjectMeta {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, ownerReferences } = meta;
  return defined<ObjectMeta>({
    name,
    namespace,
    uid,
    resourceVersion,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    labels: pick(meta.labels, (key) => labels.includes(key)),
    annotations: pick(meta.annotations, (key, value) => OURS.has(key) && value.length <= LONGEST),
    ownerReferences: ownerReferences?.map((owner) => ({ ...owner })),
  });
}

function pick(from: Readonly<Record<string, string>> | undefined, wanted: (key: string, value: string) => boolean): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(from ?? {}).filter(([key, value]) => wanted(key, value)));
}

/** Without the fields that are undefined: they would take memory, and a merge patch would read them as null. */
function defined<T extends object>(value: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
