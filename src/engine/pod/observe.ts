// A pod and its node as the engine sees an attempt. A gated pod is no attempt yet, and is not shown. Surprises: an attempt's zone
// is its node's once it has one, before that what was asked for; a deleted pod that never told how it ended has failed at the moment
// it was gone, and `whoEnded` judges why.

import type { StopRequest } from '../record.ts';
import type { AttemptPhase, ObservedAttempt, ObservedNode } from '../snapshot.ts';
import { ENV, HOLD_GATE, JOB_ID_LABEL, POD } from './names.ts';
import { annotation, instant, isAttempt, launchedAs, number, object, text } from './read.ts';
import type { Pod } from './types.ts';

const STOP_REQUESTS = ['move', 'pause', 'cancel'] as const;

export const isGated = (pod: Pod): boolean => pod.spec.schedulingGates?.some((gate) => gate.name === HOLD_GATE) ?? false;

export const jobIdOf = (pod: Pod): string | null => pod.metadata.labels?.[JOB_ID_LABEL] ?? null;

/** The label may be written by whoever may patch the pod; the environment stands since the pod was made. Both must say so. */
export function claimedJobId(pod: Pod): string | null {
  const jobId = jobIdOf(pod);
  const told = pod.spec.containers.some(({ env }) => env?.some(({ name, value }) => name === ENV.jobId && value === jobId));
  return told ? jobId : null;
}

export const attemptName = (jobId: string, attempt: number): string => `nerve-${jobId}-a${attempt}`;

/** The engine's number of this pod, where the pod says it; null: only its place among the job's pods does. */
export function attemptNumber(pod: Pod): number | null {
  const known = launchedAs(pod)?.attempt;
  if (known !== undefined) return known;
  // Of pods of Jobs it is a unix second, the webhook's number and not the engine's.
  const written = Number(annotation(pod, POD.attempt));
  return isAttempt(written) ? written : null;
}

export interface Around {
  readonly jobId: string;
  readonly attempt: number;
  /** As last seen; null: never placed, or the node object is gone. */
  readonly node: ObservedNode | null;
  /** When the object was seen to be gone; null while it exists. */
  readonly goneAtMs: number | null;
  /** It went while nobody watched. */
  readonly unheard?: boolean;
}

export function observePod(pod: Pod, { jobId, attempt, node, goneAtMs, unheard = false }: Around): ObservedAttempt {
  const asked = launchedAs(pod);
  const nodeName = pod.spec.nodeName ?? null;
  const phase = phaseOf(pod, goneAtMs);
  const scheduled = condition(pod, 'PodScheduled');
  const createdAtMs = asked?.atMs ?? instant(pod.metadata.creationTimestamp) ?? 0;
  const disruption = condition(pod, 'DisruptionTarget');
  return {
    name: attemptName(jobId, attempt),
    jobId,
    attempt,
    zone: node?.zone ?? asked?.zone ?? 'unknown',
    instanceType: node?.instanceType ?? asked?.instanceType ?? 'unknown',
    capacityType: node?.capacityType ?? asked?.capacityType ?? 'on-demand',
    priceUsdPerHour: asked?.priceUsdPerHour ?? null,
    phase,
    createdAtMs,
    placedAtMs: nodeName === null ? null : (instant(scheduled?.lastTransitionTime) ?? instant(pod.status?.startTime) ?? createdAtMs),
    endedAtMs: phase === 'succeeded' || phase === 'failed' ? (endOf(pod) ?? goneAtMs ?? createdAtMs) : null,
    exitCode: exitCodeOf(pod),
    unschedulableSinceMs:
      nodeName === null && scheduled?.status === 'False' && scheduled.reason === 'Unschedulable'
        ? Math.max(createdAtMs, instant(scheduled.lastTransitionTime) ?? createdAtMs)
        : null,
    // A pod that went unheard and that nobody saw placed may have been placed since, and lost with its node: no user's deletion, which is final.
    deletionRequestedAtMs: deletionRequestedAtMs(pod, unheard && nodeName === null ? null : goneAtMs),
    graceEndsAtMs: instant(pod.metadata.deletionTimestamp),
    // Where it lives on, the deletion that was announced did not come to pass (a refusal, a worker that died in between).
    deletedByNerve: annotation(pod, POD.deletedBy) !== null && (pod.metadata.deletionTimestamp !== undefined || goneAtMs !== null),
    disruption: disruption?.status === 'True' ? (disruption.reason ?? 'DisruptionTarget') : null,
    node,
    nodeName,
    stopRequest: stopRequestOf(pod),
    resumed: resumedOf(pod),
    progress: progressOf(pod),
    lastCheckpoint: checkpointOf(pod),
    logTail: null,
  };
}

const condition = (pod: Pod, type: string) => pod.status?.conditions?.find((c) => c.type === type);

/** `deletionTimestamp` is when the grace ends; the ask came before, but not by a known time. */
function deletionRequestedAtMs(pod: Pod, goneAtMs: number | null): number | null {
  const ends = instant(pod.metadata.deletionTimestamp);
  if (ends === null) return goneAtMs !== null && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed' ? goneAtMs : null;
  const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  return ends - graceMs;
}

function phaseOf(pod: Pod, goneAtMs: number | null): AttemptPhase {
  switch (pod.status?.phase) {
    case 'Succeeded':
      return 'succeeded';
    case 'Failed':
      return 'failed';
    default:
      break;
  }
  if (completedDespiteRestarts(pod)) return 'succeeded';
  if (goneAtMs !== null) return 'failed';
  return pod.status?.phase === 'Running' || works(pod) ? 'running' : 'pending';
}

/** Pending is also what a pod is called of which one container has not begun: the trainer may run, or an init container fetch the data. */
function works({ status }: Pod): boolean {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].some(({ state }) => state?.running !== undefined);
}

/** `restartPolicy: Always`: its end is exit 0 of every container; the cluster would start it again for ever. */
function completedDespiteRestarts(pod: Pod): boolean {
  if (pod.spec.restartPolicy !== 'Always') return false;
  const statuses = pod.status?.containerStatuses ?? [];
  return statuses.length >= pod.spec.containers.length && statuses.length > 0 && statuses.every((s) => lastExit(s)?.exitCode === 0);
}

type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];
const lastExit = (status: ContainerStatus) => status.state?.terminated ?? status.lastState?.terminated;

function endOf(pod: Pod): number | null {
  const ends = (pod.status?.containerStatuses ?? []).flatMap((status) => instant(lastExit(status)?.finishedAt) ?? []);
  return ends.length === 0 ? null : Math.max(...ends);
}

/** The first container that did not end with 0 speaks for the pod. */
function exitCodeOf(pod: Pod): number | null {
  const codes = (pod.status?.containerStatuses ?? []).flatMap((status) => status.state?.terminated?.exitCode ?? []);
  return codes.find((code) => code !== 0) ?? codes[0] ?? null;
}

function stopRequestOf(pod: Pod): StopRequest | null {
  return STOP_REQUESTS.find((request) => request === annotation(pod, POD.stopRequest)) ?? null;
}

function resumedOf(pod: Pod): ObservedAttempt['resumed'] {
  const value = object(annotation(pod, POD.resumed));
  const step = number(value?.['step']);
  const epoch = number(value?.['epoch']);
  const atMs = instant(text(value?.['at']));
  return step === null || epoch === null || atMs === null ? null : { step, epoch, checkpointId: text(value?.['checkpointId']), atMs };
}

function progressOf(pod: Pod): ObservedAttempt['progress'] {
  const value = object(annotation(pod, POD.progress));
  const step = number(value?.['step']);
  const atMs = instant(text(value?.['at']));
  return step === null || atMs === null
    ? null
    : { step, totalSteps: number(value?.['totalSteps']), remainingMs: number(value?.['remainingMs']), atMs };
}

function checkpointOf(pod: Pod): ObservedAttempt['lastCheckpoint'] {
  const value = object(annotation(pod, POD.lastCheckpoint));
  const id = text(value?.['id']);
  const step = number(value?.['step']);
  const sealedAtMs = instant(text(value?.['sealedAt']));
  if (id === null || step === null || sealedAtMs === null) return null;
  const bytes = number(value?.['bytes']) ?? 0;
  const durationMs = number(value?.['durationMs']) ?? 0;
  return { id, step, bytes, durationMs, sealedAtMs, final: value?.['final'] === true };
}
