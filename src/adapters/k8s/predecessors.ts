// The webhook's watch: adopted pods of Jobs that have not ended, so that a re-created pod is told which attempt still saves.

import { ASYNC_TIER, JOB_ID_LABEL, POD, TIER_LABEL } from '../../engine/pod/names.ts';
import { isGated, jobIdOf } from '../../engine/pod/observe.ts';
import { annotation, instant } from '../../engine/pod/read.ts';
import type { Pod } from '../../engine/pod/types.ts';
import type { Clock, Log, Predecessors } from '../../ports.ts';
import type { Api } from './api.ts';
import { createReader } from './reader.ts';

const DEFAULT_GRACE_SECONDS = 30;

export interface PredecessorWatch extends Predecessors {
  /** Resolves when everything was listed once. */
  readonly synced: Promise<void>;
  run(signal: AbortSignal): Promise<void>;
}

export function predecessorWatch(api: Api, clock: Clock, log: Log): PredecessorWatch {
  const selector = encodeURIComponent(`${TIER_LABEL}=${ASYNC_TIER},${JOB_ID_LABEL}`);
  const ofJob = new Map<string, Map<string, Pod>>();

  const forget = (pod: Pod): void => {
    const key = keyOf(pod);
    const pods = ofJob.get(key);
    pods?.delete(pod.metadata.uid ?? '');
    if (pods?.size === 0) ofJob.delete(key);
  };
  const reader = createReader<Pod>({
    api,
    path: '/api/v1/pods',
    query: `labelSelector=${selector}`,
    slim,
    clock,
    log,
    changed: (pod, before) => {
      if (before !== null) forget(before);
      if (!mayRun(pod)) return;
      const key = keyOf(pod);
      ofJob.set(key, (ofJob.get(key) ?? new Map<string, Pod>()).set(pod.metadata.uid ?? '', pod));
    },
    gone: forget,
  });
  const living = (namespace: string, jobId: string): readonly Pod[] => [...(ofJob.get(`${namespace}/${jobId}`)?.values() ?? [])];

  return {
    synced: reader.synced,
    run: (signal) => reader.run(signal),
    of: (namespace, jobId) => {
      const started = living(namespace, jobId).filter((pod) => pod.spec.nodeName !== undefined && !isGated(pod));
      const [newest] = started.toSorted((a, b) => attemptOf(b) - attemptOf(a));
      if (newest === undefined) return null;
      const graceMs = (newest.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000;
      return { attempt: attemptOf(newest), endsAtMs: instant(newest.metadata.deletionTimestamp) ?? clock.realNowMs() + graceMs };
    },
    sibling: (namespace, jobId) => living(namespace, jobId).some(({ metadata }) => metadata.deletionTimestamp === undefined),
  };
}

const keyOf = (pod: Pod): string => `${pod.metadata.namespace ?? ''}/${jobIdOf(pod) ?? ''}`;

const attemptOf = (pod: Pod): number => Number(annotation(pod, POD.attempt));

/** An attempt of a Job's that has not ended. */
function mayRun(pod: Pod): boolean {
  const attempt = attemptOf(pod);
  const ofAJob = pod.metadata.ownerReferences?.some(({ kind }) => kind === 'Job') ?? false;
  return ofAJob && Number.isSafeInteger(attempt) && attempt >= 1 && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed';
}

/** What is asked above, and no more: the webhook knows every adopted pod. */
function slim({ metadata, spec, status }: Pod): Pod {
  const { name, namespace, uid, resourceVersion, deletionTimestamp, labels, annotations, ownerReferences } = metadata;
  const jobId = labels?.[JOB_ID_LABEL];
  const attempt = annotations?.[POD.attempt];
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      ...(ownerReferences === undefined ? {} : { ownerReferences }),
      labels: jobId === undefined ? {} : { [JOB_ID_LABEL]: jobId },
      annotations: attempt === undefined ? {} : { [POD.attempt]: attempt },
    },
    spec: {
      containers: [],
      ...(spec.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
      ...(spec.schedulingGates === undefined ? {} : { schedulingGates: spec.schedulingGates }),
      ...(spec.terminationGracePeriodSeconds === undefined ? {} : { terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds }),
    },
    ...(status?.phase === undefined ? {} : { status: { phase: status.phase } }),
  };
}
