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

/** Null: the worker has said nothing yet. */
export function shownState(pod: Pod, nowMs: number): string | null {
  const state = annotation(pod, POD.state);
  return runsInSilence(pod, state, nowMs) ? 'running' : state;
}
