// The pods that Nerve leaves alone. Each reason is one predicate that answers a sentence or null; the first that speaks decides
// (DESIGN section 5, the table).

import { askedOf } from '../engine/pod/asked.ts';
import { POD } from '../engine/pod/names.ts';
import { annotation } from '../engine/pod/read.ts';
import type { Pod } from '../engine/pod/types.ts';
import type { AdmissionContext } from './context.ts';
import { completionIndex, isJob, jobIdFor, jobOwner } from './job-id.ts';

type Reason = (pod: Pod, namespace: string, context: AdmissionContext) => string | null;

export function whyLeftAlone(pod: Pod, namespace: string, context: AdmissionContext): string | null {
  for (const reason of REASONS) {
    const sentence = reason(pod, namespace, context);
    if (sentence !== null) return sentence;
  }
  return null;
}

const KUEUE = 'kueue.x-k8s.io/';
const EXAMPLE = '2026-08-05T18:00:00Z';

const mirror: Reason = ({ metadata }) =>
  metadata.annotations?.['kubernetes.io/config.mirror'] === undefined ? null : 'a mirror pod shows what a node runs already; it cannot be held.';

const owned: Reason = ({ metadata }) => {
  const other = metadata.ownerReferences?.find((owner) => !isJob(owner));
  return other === undefined ? null : `left alone, because it belongs to the ${other.kind} ${other.name}; Nerve takes bare pods and pods of Jobs.`;
};

/** The API server refuses a gate on it. */
const bound: Reason = ({ spec }) => (spec.nodeName ? `left alone, because spec.nodeName puts it on node ${spec.nodeName} already.` : null);

const queued: Reason = ({ metadata, spec }) => {
  const names = [
    ...Object.keys(metadata.labels ?? {}),
    ...Object.keys(metadata.annotations ?? {}),
    ...(spec.schedulingGates ?? []).map((g) => g.name),
  ];
  return names.some((name) => name.startsWith(KUEUE)) ? 'left alone, because Kueue decides when it starts.' : null;
};

const told: Reason = (pod) => annotation(pod, POD.leave);

/** Whether a claim follows its pod to another zone cannot be seen without a right to look at volumes. */
const volumes: Reason = (pod) => {
  if (annotation(pod, POD.volumes) === 'regional') return null;
  const volume = pod.spec.volumes?.find((v) => v['persistentVolumeClaim'] || v['ephemeral']);
  return volume === undefined
    ? null
    : `left alone, because volume "${volume.name}" may be tied to one zone; if it is not, annotate the pod ${POD.volumes}: regional.`;
};

const deadline: Reason = (pod) => {
  const text = askedOf(pod).unreadable.find(({ name }) => name === POD.deadline)?.text;
  return text === undefined ? null : `left alone, because ${POD.deadline} "${shortened(text)}" is no instant such as ${EXAMPLE}.`;
};

/** Jobs that are older than the webhook carry no word about it; two living pods of one "job" say it too. */
const parallel: Reason = (pod, namespace, context) => {
  if (jobOwner(pod) === null || completionIndex(pod) !== null || annotation(pod, POD.backoffLimit) !== null) return null;
  return context.predecessors.sibling(namespace, jobIdFor(pod, '')) ? PARALLEL : null;
};

export const PARALLEL = 'left alone, because its Job runs several pods without an index; use completionMode: Indexed.';

const REASONS: readonly Reason[] = [mirror, owned, bound, queued, told, volumes, deadline, parallel];

export const shortened = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}...` : text);
