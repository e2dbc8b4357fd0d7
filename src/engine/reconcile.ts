// Facts: what the cluster shows that the record does not say yet, as events to append. Pure and repeatable: reconciling twice
// gives nothing the second time. Usage and counterfactual are left empty here (`meterAsks` says what to ask); the worker
// fills them before appending, because only the market knows the prices that were in force.

import { fold, openAttempts } from './fold.ts';
import type { JobEvent, JobRecord, Plan, ProgressFact } from './record.ts';
import type { ObservedAttempt } from './snapshot.ts';
import type { AttemptState, JobState } from './state.ts';
import { whoEnded } from './who-ended.ts';

type Of<T extends JobEvent['type']> = Extract<JobEvent, { type: T }>;

/** Events to append to `record`, in legal order. */
export function reconcile(record: JobRecord, seen: readonly ObservedAttempt[], nowMs: number): readonly JobEvent[] {
  let state = fold(record);
  if (state.finished !== null) return [];
  const events: JobEvent[] = [];
  const add = (event: JobEvent): void => {
    events.push(event);
    state = fold({ ...record, events: [...record.events, ...events] });
  };
  const atMs = Math.max(nowMs, state.lastEventAtMs);
  for (const attempt of openAttempts(state)) {
    for (const fact of factsOf(attempt, seen.find((o) => o.attempt === attempt.attempt) ?? null, atMs)) add(fact);
  }
  const unrecorded = unrecordedLaunch(state, seen, atMs);
  if (unrecorded !== null) {
    add(unrecorded);
    const attempt = state.attempts.at(-1);
    const object = seen.find((o) => o.attempt === unrecorded.attempt) ?? null;
    if (attempt !== undefined) for (const fact of factsOf(attempt, object, atMs)) add(fact);
  }
  const finished = finish(state, atMs);
  if (finished !== null) add(finished);
  return events;
}

/** An attempt that was created by a worker which died before it could say so. */
function unrecordedLaunch(state: JobState, seen: readonly ObservedAttempt[], atMs: number): Of<'launched'> | null {
  const next = (state.attempts.at(-1)?.attempt ?? 0) + 1;
  const object = seen.find((o) => o.attempt === next);
  const open = openAttempts(state);
  if (object === undefined || object.deletionRequestedAtMs !== null) return null;
  if (open.length > 1 || open.some((a) => a.noticed === null && a.stopRequested === null)) return null;
  const previous = open.at(-1);
  return {
    type: 'launched',
    atMs: Math.max(state.lastEventAtMs, Math.min(atMs, object.createdAtMs)),
    attempt: next,
    zone: object.zone,
    instanceType: object.instanceType,
    capacityType: object.capacityType,
    priceUsdPerHour: object.priceUsdPerHour,
    reason: state.attempts.length === 0 ? 'cheapest-now' : 'interruption-notice',
    handover: previous === undefined ? null : { previousAttempt: previous.attempt, waitSealedUntilMs: previous.noticed?.endsAtMs ?? atMs },
    plan: state.plan ?? unknownPlan(state, object),
  };
}

/** The plan of a start whose own words were lost with the worker that made it. */
function unknownPlan(state: JobState, object: ObservedAttempt): Plan {
  const { zone, instanceType, capacityType, priceUsdPerHour, createdAtMs } = object;
  const expectedCostUsd = priceUsdPerHour === null ? null : (priceUsdPerHour * state.spec.workMs) / 3_600_000;
  return {
    startMs: createdAtMs,
    latestStartMs: state.deadlineMs - state.spec.workMs,
    zone,
    instanceType,
    capacityType,
    expectedCostUsd,
    expectedCarbonGrams: null,
    costNowUsd: expectedCostUsd,
    carbonNowGrams: null,
    wakeAtOrBelowUsdPerHour: null,
  };
}

function factsOf(attempt: AttemptState, seen: ObservedAttempt | null, atMs: number): readonly JobEvent[] {
  const events: JobEvent[] = [];
  const number = attempt.attempt;
  const unrecordedStop = stopOf(attempt, seen, atMs);
  if (seen !== null) {
    const { zone, instanceType, capacityType, priceUsdPerHour } = seen;
    // Without its node a pod shows the place that was asked for.
    if (
      seen.placedAtMs !== null &&
      seen.node !== null &&
      (zone !== attempt.zone || instanceType !== attempt.instanceType || capacityType !== attempt.capacityType)
    ) {
      events.push({ type: 'placed', atMs, attempt: number, zone, instanceType, capacityType, priceUsdPerHour });
    }
    // What a watch told may be older than what was recorded: epochs only grow.
    if (seen.resumed !== null && seen.resumed.epoch > (attempt.resumed?.epoch ?? 0)) {
      const { step, epoch, checkpointId } = seen.resumed;
      events.push({ type: 'resumed', atMs: clamp(seen.resumed.atMs, attempt.launchedAtMs, atMs), attempt: number, step, epoch, checkpointId });
    }
    const notice = seen.node?.interruption ?? null;
    if (notice !== null && attempt.noticed === null && seen.placedAtMs !== null) {
      events.push({ type: 'noticed', atMs, attempt: number, action: notice.action, endsAtMs: notice.endsAtMs });
    }
    if (unrecordedStop !== null) events.push({ type: 'stop-requested', attempt: number, ...unrecordedStop });
    const seal = seen.lastCheckpoint;
    const ending = seen.endedAtMs !== null;
    if (seal !== null && (seal.final || ending) && seal.id !== attempt.lastCheckpoint?.id) {
      events.push({ type: 'checkpointed', atMs, attempt: number, checkpoint: seal, progress: progressAt(seen) });
    }
  }
  const end = endOf(unrecordedStop === null ? attempt : { ...attempt, stopRequested: unrecordedStop }, seen, atMs);
  return end === null ? events : [...events, end];
}

/** A stop asked for by a worker which died before it could say so: the attempt will seal and sit idle, for ever unless somebody knows. */
function stopOf(attempt: AttemptState, seen: ObservedAttempt | null, atMs: number): AttemptState['stopRequested'] {
  const request = seen?.stopRequest ?? null;
  if (request === null || attempt.stopRequested !== null) return null;
  return { atMs, request, reason: STOP_REASONS[request] };
}

/** Why it was asked is lost with the worker that did; this is the usual reason. */
const STOP_REASONS = { move: 'cheaper-elsewhere', pause: 'user-paused', cancel: 'user-cancelled', down: 'taken-down' } as const;

function endOf(attempt: AttemptState, seen: ObservedAttempt | null, atMs: number): Of<'ended'> | null {
  const verdict = whoEnded(attempt, seen);
  if (verdict === null) return null;
  const endedAtMs = Math.max(attempt.launchedAtMs, Math.min(atMs, seen?.endedAtMs ?? atMs));
  return {
    type: 'ended',
    atMs: endedAtMs,
    attempt: attempt.attempt,
    cause: verdict.cause,
    reason: verdict.reason,
    exitCode: seen?.exitCode ?? null,
    usage: [],
    lostWorkMs: verdict.cause === 'succeeded' ? 0 : lostWorkMs(attempt, seen, endedAtMs),
    progress: seen === null ? null : progressAt(seen),
    logTail: verdict.cause === 'failed' ? (seen?.logTail ?? null) : null,
  };
}

/** Time since the resume point or the newest seal, whichever is later; nothing after a final seal. */
function lostWorkMs(attempt: AttemptState, seen: ObservedAttempt | null, endedAtMs: number): number {
  const resumedAtMs = seen?.resumed?.atMs ?? attempt.resumed?.atMs;
  const seal = seen?.lastCheckpoint ?? attempt.lastCheckpoint;
  if (resumedAtMs === undefined || seal?.final === true) return 0;
  return Math.max(0, endedAtMs - Math.max(resumedAtMs, seal?.sealedAtMs ?? 0));
}

/** Progress that survives: at a seal when the attempt left one, else nothing is known to be kept. */
function progressAt(seen: ObservedAttempt): ProgressFact | null {
  const { progress, lastCheckpoint } = seen;
  if (progress === null || lastCheckpoint === null) return null;
  const { totalSteps, remainingMs } = progress;
  if (totalSteps === null || remainingMs === null || totalSteps <= progress.step) return { step: lastCheckpoint.step, totalSteps, remainingMs };
  // The report and the seal are of different moments: scale what remained then to the step that was sealed.
  const perStepMs = remainingMs / (totalSteps - progress.step);
  return { step: lastCheckpoint.step, totalSteps, remainingMs: Math.max(0, (totalSteps - lastCheckpoint.step) * perStepMs) };
}

function finish(state: JobState, atMs: number): Of<'finished'> | null {
  if (openAttempts(state).length > 0) return null;
  const causes = state.attempts.map((a) => a.ended?.cause);
  if (causes.includes('succeeded')) {
    const endedAtMs = state.attempts.find((a) => a.ended?.cause === 'succeeded')?.ended?.atMs ?? atMs;
    return ending(state, atMs, 'succeeded', 'completed', endedAtMs);
  }
  if (state.cancelRequested) return ending(state, atMs, 'cancelled', state.podsGone ? 'deleted-by-someone-else' : 'user-cancelled');
  if (causes.includes('cancelled')) return ending(state, atMs, 'cancelled', 'deleted-by-someone-else');
  if (state.failures > state.spec.retries) return ending(state, atMs, 'failed', 'retries-used-up');
  return null;
}

function ending(
  state: JobState,
  atMs: number,
  result: Of<'finished'>['result'],
  reason: Of<'finished'>['reason'],
  workEndedAtMs = atMs,
): Of<'finished'> {
  return {
    type: 'finished',
    atMs: Math.max(atMs, state.lastEventAtMs),
    result,
    reason,
    late: result === 'succeeded' && workEndedAtMs > state.deadlineMs,
    usefulWorkMs: usefulWorkMs(state),
    counterfactual: null,
    finalCheckpoint: state.lastCheckpoint,
  };
}

/** What an uninterrupted run would have taken: time past resume points, less what was lost or idle after a final seal. */
function usefulWorkMs(state: JobState): number {
  return state.attempts.reduce((total, a) => {
    if (a.ended === null) return total;
    // A program that does not speak the checkpoint contract: its start is its resume point.
    if (a.resumed === null) return a.ended.cause === 'succeeded' ? total + a.ended.atMs - a.launchedAtMs : total;
    const sealedAtMs = a.ended.cause !== 'succeeded' && a.lastCheckpoint?.final === true ? a.lastCheckpoint.sealedAtMs : a.ended.atMs;
    return total + Math.max(0, Math.min(sealedAtMs, a.ended.atMs) - a.resumed.atMs - a.ended.lostWorkMs);
  }, 0);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
