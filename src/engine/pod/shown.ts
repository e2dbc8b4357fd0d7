// The same as engine/shown.ts, for whoever has only the pods to read: the command line, and the gauge of jobs by state.

import { POD } from './names.ts';
import { annotation, instant } from './read.ts';
import type { Pod } from './types.ts';

/** Training that has a hook answers it long before this. */
const SILENT_AFTER_MS = 180_000;

/** Its container runs, is past any start, and no hook of it has ever answered. `state`: the worker's word. */
export function runsInSilence(pod: Pod, state: string | null, nowMs: number): boolean {
  if (state !== 'starting' || pod.status?.phase !== 'Running') return false;
  if ([POD.resumed, POD.progress, POD.lastCheckpoint].some((name) => annotation(pod, name) !== null)) return false;
  const starts = (pod.status.containerStatuses ?? []).flatMap(({ state: now }) => instant(now?.running?.startedAt ?? null) ?? []);
  return starts.length > 0 && nowMs - Math.max(...starts) >= SILENT_AFTER_MS;
}

export interface Waits {
  /** `Unschedulable`, `ImagePullBackOff`, `ContainerCreating`: the cluster's own word. */
  readonly reason: string;
  readonly message: string | null;
}

/** What keeps a pod that was let start from running; null where nothing does, or nobody says. */
export function waitsFor({ spec, status }: Pod): Waits | null {
  if (status?.phase !== 'Pending' || (spec.schedulingGates?.length ?? 0) > 0) return null;
  const scheduled = status.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') return { reason: scheduled.reason ?? 'Unschedulable', message: scheduled.message ?? null };
  const waiting = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].flatMap(({ state }) => state?.waiting ?? []);
  // All of them are creating while the one at fault says why.
  const first = waiting.find(({ reason }) => reason !== undefined && !ORDINARY.has(reason)) ?? waiting[0];
  return first?.reason === undefined ? null : { reason: first.reason, message: first.message ?? null };
}

const ORDINARY: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing']);

/** Null: the worker has said nothing yet. */
export function shownState(pod: Pod, nowMs: number): string | null {
  const state = annotation(pod, POD.state);
  return runsInSilence(pod, state, nowMs) ? 'running' : state;
}
