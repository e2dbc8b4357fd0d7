// The phase that people are shown. The engine's own `starting` lasts until the checkpoint hook has said that the attempt resumed; a program
// without the SDK never says so, and would start for as long as it lives. Whoever reads is told that it runs, and that it reports no progress.
// Nothing is decided on this.

import { openAttempts } from './fold.ts';
import type { EngineSettings, ObservedAttempt } from './snapshot.ts';
import type { JobPhase, JobState } from './state.ts';

export interface Shown {
  readonly phase: JobPhase;
  /** It runs, and has not said anything since it began. */
  readonly silent: boolean;
}

export function shown(state: JobState, seen: readonly ObservedAttempt[], { startOverheadMs }: EngineSettings, nowMs: number): Shown {
  const asRecorded: Shown = { phase: state.phase, silent: false };
  const newest = openAttempts(state).at(-1);
  const object = seen.find(({ attempt }) => attempt === newest?.attempt);
  if (state.phase !== 'starting' || newest === undefined || object?.phase !== 'running' || object.placedAtMs === null) return asRecorded;
  if (object.resumed !== null) return { phase: 'running', silent: false };
  // It has a hook that answers: it says itself when it is past its start.
  if (object.progress !== null) return asRecorded;
  const sinceMs = Math.max(newest.launchedAtMs, object.placedAtMs, newest.handover?.waitSealedUntilMs ?? 0);
  return nowMs - sinceMs < startOverheadMs ? asRecorded : { phase: 'running', silent: true };
}
