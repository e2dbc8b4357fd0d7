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
  const sinceMs = seen?.node?.silentSinceMs ?? null;
  return seen?.endedAtMs === null && sinceMs !== null && nowMs - sinceMs >= noticeMs;
}

/**
 * The attempts, those taken for ended that were to be killed a notice's length ago and still show no end. Whose doing it was is told by the rest
 * of them, as of any other (who-ended.ts).
 */
export function withoutOverdue(seen: readonly ObservedAttempt[], { noticeMs }: EngineSettings, nowMs: number): readonly ObservedAttempt[] {
  return seen.map((each) => {
    const overdue = each.endedAtMs === null && each.graceEndsAtMs !== null && nowMs - each.graceEndsAtMs >= noticeMs;
    return overdue ? { ...each, phase: 'failed', endedAtMs: nowMs } : each;
  });
}

/** No container of it has ever begun: nothing of it could seal. */
export const neverBegan = ({ phase, resumed, progress }: ObservedAttempt): boolean => phase === 'pending' && resumed === null && progress === null;
