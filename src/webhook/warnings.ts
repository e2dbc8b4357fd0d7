// What whoever creates an adopted pod should know. kubectl shows each as one line, so each is one sentence.

import { askedOf } from '../engine/pod/asked.ts';
import { ENV, POD } from '../engine/pod/names.ts';
import { annotation } from '../engine/pod/read.ts';
import type { Pod } from '../engine/pod/types.ts';
import type { AdmissionContext } from './context.ts';
import { jobOwner } from './job-id.ts';
import { shortened } from './left-alone.ts';

type Warning = (pod: Pod, namespace: string, context: AdmissionContext) => string | null;

export const warningsFor = (pod: Pod, namespace: string, context: AdmissionContext): readonly string[] =>
  WARNINGS.flatMap((warning) => warning(pod, namespace, context) ?? []);

const namespaceOutside: Warning = (pod, namespace, { installation }) =>
  jobOwner(pod) !== null || installation.jobNamespaces.includes(namespace)
    ? null
    : `runs on demand only, because Nerve may not create its next attempt in namespace ${namespace}; add it to the chart's jobNamespaces.`;

/** Kubernetes' own default for a pod. */
const restarts: Warning = (pod) =>
  jobOwner(pod) !== null || (pod.spec.restartPolicy ?? 'Always') !== 'Always'
    ? null
    : 'restartPolicy is Always: once every container has ended with exit code 0, the job counts as done and Nerve deletes the pod.';

const duration: Warning = (pod) => {
  const text = askedOf(pod).unreadable.find(({ name }) => name === POD.expectedDuration)?.text;
  return text === undefined ? null : `${POD.expectedDuration} "${shortened(text)}" is no length such as 2h30m, and is ignored.`;
};

const past: Warning = (pod, _namespace, { nowMs }) => {
  const { deadlineMs } = askedOf(pod);
  return deadlineMs === null || deadlineMs > nowMs ? null : `its deadline ${annotation(pod, POD.deadline)} has passed: it starts at once, and late.`;
};

const place: Warning = (pod) =>
  annotation(pod, POD.checkpointUri) !== null || pod.spec.containers.some(({ env }) => env?.some(({ name }) => name === ENV.checkpointUri))
    ? null
    : `without ${POD.checkpointUri} (s3://bucket/prefix) no progress survives a move.`;

const WARNINGS: readonly Warning[] = [namespaceOutside, restarts, duration, past, place];
