// An attempt object as it is when it was just made: asked for, in no place yet. Every cluster, real or simulated, starts here.

import type { Placement } from './decision.ts';
import type { ObservedAttempt } from './snapshot.ts';

export function pendingAttempt(of: Pick<ObservedAttempt, 'name' | 'jobId' | 'attempt'>, asked: Placement, nowMs: number): ObservedAttempt {
  const { name, jobId, attempt } = of;
  const { zone, instanceType, capacityType, priceUsdPerHour } = asked;
  return {
    name,
    jobId,
    attempt,
    zone,
    instanceType,
    capacityType,
    priceUsdPerHour,
    phase: 'pending',
    createdAtMs: nowMs,
    placedAtMs: null,
    endedAtMs: null,
    exitCode: null,
    unschedulableSinceMs: null,
    deletionRequestedAtMs: null,
    graceEndsAtMs: null,
    deletedByNerve: false,
    disruption: null,
    node: null,
    nodeName: null,
    stopRequest: null,
    resumed: null,
    progress: null,
    lastCheckpoint: null,
    logTail: null,
  };
}
