// What the worker writes back on a job's newest pod: state, reason, plan, moves and cost, for everybody who may read the pod.

import type { Plan } from '../record.ts';
import type { JobState } from '../state.ts';
import { latestStartMs } from './asked.ts';
import { POD } from './names.ts';
import { annotation, instant, object, rfc3339, text } from './read.ts';
import type { Pod } from './types.ts';

/** A start that is planned for "now" moves with the clock: to the minute it says nothing new. */
const MINUTE_MS = 60_000;

export function statusAnnotations(state: JobState): Readonly<Record<string, string | null>> {
  const reason = state.finished?.reason ?? (state.phase === 'held' ? state.heldReason : (state.attempts.at(-1)?.reason ?? null));
  return {
    [POD.state]: state.phase,
    [POD.reason]: reason,
    [POD.plan]: state.plan === null ? null : planText(state.plan),
    [POD.moves]: String(state.moves.length),
    [POD.costUsd]: state.attempts.some((attempt) => attempt.ended !== null) ? String(rounded(state.costUsd)) : null,
  };
}

/** It has ended for Nerve, but nobody cancelled it: a pod that comes nevertheless (a Job makes another one) is to run. */
export const goesOn = ({ finished }: Pick<JobState, 'finished'>): boolean => finished !== null && finished.reason !== 'user-cancelled';

function planText(plan: Plan): string {
  const { zone, instanceType, capacityType, expectedCostUsd, expectedCarbonGrams, costNowUsd } = plan;
  const round = (value: number | null): number | null => (value === null ? null : rounded(value));
  return JSON.stringify({
    start: minute(plan.startMs),
    latestStart: minute(plan.latestStartMs),
    zone,
    instanceType,
    capacityType,
    expectedCostUsd: round(expectedCostUsd),
    expectedCarbonGrams: round(expectedCarbonGrams),
    costNowUsd: round(costNowUsd),
  });
}

const rounded = (value: number): number => Number(value.toPrecision(4));

/** When a held job must start, as the plan on its pod says, or before there is one what its user asked; null: it is not held, or its user wants it to wait. */
export function heldLatestStart(pod: Pod, gated: boolean): number | null {
  if (!gated && annotation(pod, POD.state) !== 'held') return null;
  if (annotation(pod, POD.reason) === 'user-paused') return null;
  return instant(text(object(annotation(pod, POD.plan))?.['latestStart'])) ?? latestStartMs(pod.metadata.annotations ?? {});
}

const minute = (atMs: number): string => rfc3339(Math.floor(atMs / MINUTE_MS) * MINUTE_MS);
