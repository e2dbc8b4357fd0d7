// A record that was lost with Redis, as far as pods still tell it. Attempts are numbered without gaps: those before the oldest that lives
// (or the newest, if all have ended) are written as started and interrupted, in its zone, so that none of them counts as a move and the next number is not given twice.

import type { JobSpec } from '../job.ts';
import type { JobEvent, Plan } from '../record.ts';
import type { ObservedAttempt } from '../snapshot.ts';

/** Events to put after `submitted`. */
export function lostAttempts(spec: JobSpec, seen: readonly ObservedAttempt[], latestStartMs: number, atMs: number): readonly JobEvent[] {
  const sorted = seen.toSorted((a, b) => a.attempt - b.attempt);
  const oldest = sorted.find((attempt) => attempt.endedAtMs === null) ?? sorted.at(-1);
  if (oldest === undefined) return [];
  const { zone, instanceType, capacityType } = oldest;
  const plan: Plan = {
    startMs: spec.submittedAtMs,
    latestStartMs,
    zone,
    instanceType,
    capacityType,
    expectedCostUsd: null,
    expectedCarbonGrams: null,
    costNowUsd: null,
    carbonNowGrams: null,
    wakeAtOrBelowUsdPerHour: null,
  };
  return Array.from({ length: oldest.attempt - 1 }, (_, index): readonly JobEvent[] => {
    const attempt = index + 1;
    return [
      { type: 'launched', atMs, attempt, zone, instanceType, capacityType, priceUsdPerHour: null, reason: 'cheapest-now', handover: null, plan },
      {
        type: 'ended',
        atMs,
        attempt,
        cause: 'interrupted',
        reason: 'node-vanished',
        exitCode: null,
        usage: [],
        lostWorkMs: 0,
        progress: null,
        logTail: null,
      },
    ];
  }).flat();
}
