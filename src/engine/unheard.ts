// Attempts whose end nobody will ever tell. A dead kubelet confirms no deletion, and a process that hangs in its driver outlives SIGKILL: whoever waits
// for the word waits past the deadline. Where the machine only lost its network, what computes on there is kept out by the seals: the newest
// attempt's epoch wins, and the older one's seals are refused (docs/decisions/0015-machines-that-fall-silent.md).

import type { JobSpec } from './job.ts';
import type { EngineSettings, ObservedAttempt } from './snapshot.ts';

/**
 * Its machine has not been heard of for as long as a notice lasts. A Job's pod is left to the cluster: any deletion of it but an eviction counts
 * against the Job.
 */
export function isLost(seen: ObservedAttempt | undefined, { program }: JobSpec, { noticeMs }: EngineSettings, nowMs: number): boolean {
  if (program.kind === 'pod' && program.owner === 'job') return false;
  const sinceMs = seen?.node?.notReadySinceMs ?? null;
  return seen?.endedAtMs === null && sinceMs !== null && nowMs - sinceMs >= noticeMs;
}

/** It was to be killed a notice's length ago, and has not ended. */
export function isOverdue(seen: ObservedAttempt | undefined, { noticeMs }: EngineSettings, nowMs: number): boolean {
  const endsMs = seen?.graceEndsAtMs ?? null;
  return seen?.endedAtMs === null && endsMs !== null && nowMs - endsMs >= noticeMs;
}
