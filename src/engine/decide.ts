// decide(snapshot) -> Decision[]: what to do now with every job that is due. Production, simulation and benchmark call this
// one function. Jobs do not influence each other, so deciding on some of them gives the same answers as on all.
//
// For each job, in this order: objects that must not be are removed; a cancelled job is taken down; attempts that are
// leaving (noticed, or asked to stop) are seen off; then the newest attempt that stays is kept, moved or stopped; and
// if none stays, place.ts says where and when the next one starts.

import type { Decision } from './decision.ts';
import { onDemandOnly, spotOnly } from './capacity.ts';
import { fold, openAttempts } from './fold.ts';
import { objectiveUsdPerHour } from './objective.ts';
import { type Context, heldUnchanged, elsewhere, isUnknown, onDemandOnOffer, place, proposedLeave, spotCandidates, waitingPays } from './place.ts';
import { placementPolicy } from './policy.ts';
import type { Policy, RunningAt } from './policy/proposal.ts';
import { permits } from './policy/safety.ts';
import type { JobView, ObservedAttempt, Snapshot } from './snapshot.ts';
import { latestStartMs, remainingWorkMs, spotSafeUntilMs, startOverheadMs } from './slack.ts';
import type { AttemptState, JobState } from './state.ts';
import { isLost, neverBegan } from './unheard.ts';

export function decide(snapshot: Snapshot): readonly Decision[] {
  return snapshot.jobs.flatMap((job) => decideJob(fold(job.record), job, snapshot));
}

/** The same for a job whose record is already folded (the worker's cache, the bench). */
export function decideJob(
  state: JobState,
  job: Pick<JobView, 'attempts'>,
  rules: Omit<Snapshot, 'jobs'>,
  policy: Policy = placementPolicy,
): readonly Decision[] {
  if (state.finished !== null) return [];
  const { settings, nowMs } = rules;
  const context: Context = { state, seen: job.attempts, nowMs, market: rules.market, settings, policy };
  if (job.attempts.length === 0 && state.attempts.every((a) => a.ended !== null)) {
    const same = heldUnchanged(context);
    return same === null ? place(context) : [same];
  }
  const removals = superseded(context);
  const open = openAttempts(state);
  const seenAs = (a: AttemptState) => job.attempts.find((o) => o.attempt === a.attempt);
  const lost = open.filter((a) => isLost(seenAs(a), state.spec, settings, nowMs));
  removals.push(...lost.map((a) => remove(context, a.attempt, 'node-vanished')));
  const present = open.filter((a) => !lost.includes(a));
  // A program without the SDK would do the whole work again.
  const done = state.attempts.some((a) => a.ended?.cause === 'succeeded');
  if (done) return [...removals, ...present.map((a) => remove(context, a.attempt, 'completed'))];
  if (state.cancelRequested) return [...removals, ...present.map((a) => remove(context, a.attempt, 'user-cancelled'))];
  const leaving = present.filter((a) => a.noticed !== null || a.stopRequested !== null);
  const staying = present.filter((a) => !leaving.includes(a));
  const farewells = leaving.map((a) => seeOff(context, a));
  const current = staying.at(-1);
  if (current !== undefined) return [...removals, ...farewells, ...tend(context, current)];
  // A notice ends its attempt at a known instant, so the replacement may boot meanwhile. What was only asked to stop may never hear of it,
  // and would compute beside its replacement: it is replaced once its final seal is known, or it has ended.
  if (leaving.some((a) => a.noticed === null && a.lastCheckpoint?.final !== true)) return [...removals, ...farewells];
  // Two open attempts that both leave: the third waits until the older has ended (legal order of the record). What was lost is dropped first.
  if (open.length > 1 || lost.length > 0) return [...removals, ...farewells];
  return [...removals, ...farewells, ...place(context)];
}

/** Objects the record does not know as open: left over from a crash, or from a worker that was overtaken. */
function superseded({ state, seen, nowMs, settings }: Context): Decision[] {
  const open = new Set(openAttempts(state).map((a) => a.attempt));
  return seen
    .filter((o) => !open.has(o.attempt) && o.endedAtMs === null && o.deletionRequestedAtMs === null)
    .map((o) => ({ do: 'remove', jobId: state.spec.id, attempt: o.attempt, reason: 'superseded', wakeAtMs: nowMs + settings.sweepMs }));
}

function remove({ state, nowMs, settings }: Context, attempt: number, reason: Extract<Decision, { do: 'remove' }>['reason']): Decision {
  return { do: 'remove', jobId: state.spec.id, attempt, reason, wakeAtMs: nowMs + settings.sweepMs };
}

function keep({ state, nowMs, settings }: Context, attempt: number, reason: 'running' | 'evacuating', wakeAtMs?: number): Decision {
  return { do: 'keep', jobId: state.spec.id, attempt, reason, wakeAtMs: Math.max(nowMs + 1, wakeAtMs ?? nowMs + settings.sweepMs) };
}

/** A leaving attempt is deleted once its seal is final, or once waiting for it is in vain. */
function seeOff(context: Context, attempt: AttemptState): Decision {
  const { nowMs, settings } = context;
  const seen = context.seen.find((o) => o.attempt === attempt.attempt);
  if (seen?.deletionRequestedAtMs !== null && seen !== undefined) return keep(context, attempt.attempt, 'evacuating');
  const reason = attempt.stopRequested?.reason ?? 'interruption-notice';
  if (attempt.lastCheckpoint?.final === true) return remove(context, attempt.attempt, reason);
  if (seen !== undefined && neverBegan(seen)) return remove(context, attempt.attempt, reason);
  const patienceEndsMs =
    attempt.noticed === null ? (attempt.stopRequested?.atMs ?? nowMs) + settings.noticeMs : attempt.noticed.endsAtMs + settings.sweepMs;
  if (nowMs >= patienceEndsMs) return remove(context, attempt.attempt, reason);
  return keep(context, attempt.attempt, 'evacuating', Math.min(patienceEndsMs, nowMs + settings.sweepMs));
}

/** The attempt that stays: pending, starting or running. */
function tend(context: Context, attempt: AttemptState): readonly Decision[] {
  const { state, nowMs, settings } = context;
  const seen = context.seen.find((o) => o.attempt === attempt.attempt);
  if (seen === undefined || seen.endedAtMs !== null || seen.deletionRequestedAtMs !== null) return [keep(context, attempt.attempt, 'running')];
  // Ending it would be the end of the job, whatever is cheaper elsewhere; a pause comes too late for it.
  if (onDemandOnly(state)) return [keep(context, attempt.attempt, 'running')];
  if (seen.placedAtMs === null) return [tendPending(context, attempt, seen)];
  if (state.pausedByUser) return [stop(context, attempt.attempt, 'pause', 'user-paused')];
  if (mayDrill(context, attempt, seen)) return [stop(context, attempt.attempt, 'move', 'drill')];
  if (neverBegan(seen) && nowMs >= startGivenUpAtMs(context, attempt, seen.placedAtMs))
    return [stop(context, attempt.attempt, 'move', 'not-started')];
  const at = runningAt(context, attempt);
  const may = permits(state, settings, nowMs, seen.progress, at.overheadLeftMs);
  if (attempt.capacityType === 'spot' && !may.staySpot && !spotOnly(state) && onDemandOnOffer(context).length > 0) {
    return [stop(context, attempt.attempt, 'move', 'latest-start-reached')];
  }
  const profiled = profileEnds(context, attempt, seen) ? waitingPays(context, may, seen.progress) : null;
  if (profiled !== null) return [stop(context, attempt.attempt, 'move', profiled)];
  const mayLeave = seen.lastCheckpoint !== null && openAttempts(state).length === 1;
  const leave = mayLeave ? proposedLeave(context, at, may, seen.progress) : null;
  if (leave !== null) return [stop(context, attempt.attempt, 'move', leave)];
  if (context.market.availability === undefined && cheaperElsewhere(context, attempt, seen))
    return [stop(context, attempt.attempt, 'move', 'cheaper-elsewhere')];
  return [keep(context, attempt.attempt, 'running')];
}

/** Never less than a start is known to take; each time for twice as long: where every start is slow, moving again and again would be the end of the job. */
function startGivenUpAtMs({ state, settings }: Context, attempt: AttemptState, placedAtMs: number): number {
  const before = state.attempts.filter((a) => a.stopRequested?.reason === 'not-started').length;
  return Math.max(placedAtMs, attempt.launchedAtMs) + Math.max(settings.startTimeoutMs, 2 * startOverheadMs(state, settings)) * 2 ** before;
}

/** Its user asked for a move, there is somewhere to go, and the time for it. An ask that could not be met is not met an hour later. */
function mayDrill(context: Context, attempt: AttemptState, { progress }: ObservedAttempt): boolean {
  const { state, nowMs, settings } = context;
  if (state.moveRequestedAtMs === null || nowMs - state.moveRequestedAtMs > settings.noticeMs || openAttempts(state).length > 1) return false;
  const onTime = nowMs + settings.noticeMs + startOverheadMs(state, settings) < latestStartMs(state, settings, progress);
  return onTime && elsewhere(context, attempt.zone, permits(state, settings, nowMs, progress)).length > 0;
}

/** It has just said how long it takes, on its first attempt: the one moment at which a job that runs is asked whether it should rather wait. */
function profileEnds({ state, nowMs, settings }: Context, { attempt, resumed }: AttemptState, { progress }: ObservedAttempt): boolean {
  const { profileMs } = state.spec;
  if (profileMs === undefined || attempt !== 1 || resumed === null || progress === null || isUnknown(state, progress)) return false;
  return nowMs - resumed.atMs <= profileMs + 2 * settings.sweepMs && progress.totalSteps !== null;
}

function runningAt({ state, nowMs, settings }: Context, attempt: AttemptState): RunningAt {
  const { zone, instanceType, capacityType, resumed, launchedAtMs } = attempt;
  const overheadLeftMs = resumed === null ? Math.max(0, launchedAtMs + startOverheadMs(state, settings) - nowMs) : 0;
  return { zone, instanceType, capacityType, overheadLeftMs };
}

function stop(
  { state, nowMs, settings }: Context,
  attempt: number,
  request: 'move' | 'pause',
  reason: Extract<Decision, { do: 'stop' }>['reason'],
): Decision {
  return { do: 'stop', jobId: state.spec.id, attempt, request, reason, wakeAtMs: nowMs + settings.sweepMs };
}

/** Nothing took it: spot is given up after a while (or when the deadline calls); an on-demand ask is repeated. */
function tendPending(context: Context, attempt: AttemptState, seen: ObservedAttempt): Decision {
  const { state, nowMs, settings } = context;
  // Never from before it was launched by our own clock: the cluster's may be another.
  const sinceMs = Math.max(seen.unschedulableSinceMs ?? seen.createdAtMs, attempt.launchedAtMs);
  const giveUpMs = sinceMs + settings.placementTimeoutMs;
  // Given up for on demand only where there is some: else the pending ask is all there is.
  const overdue =
    attempt.capacityType === 'spot' && !spotOnly(state) && nowMs >= latestStartMs(state, settings) && onDemandOnOffer(context).length > 0;
  if (nowMs >= giveUpMs || overdue || state.pausedByUser) return remove(context, attempt.attempt, 'placement-failed');
  return keep(context, attempt.attempt, 'running', Math.min(giveUpMs, nowMs + settings.sweepMs));
}

/**
 * A voluntary move must save, over what remains, more than it costs (a start, paid twice while both machines run) plus
 * `minMoveSaving`, and must leave the deadline as safe as it was.
 */
function cheaperElsewhere(context: Context, attempt: AttemptState, seen: ObservedAttempt): boolean {
  const { state, nowMs, market, settings } = context;
  if (attempt.resumed === null || seen.lastCheckpoint === null || openAttempts(state).length > 1) return false;
  const here = market.offerings.find(
    (o) => o.zone === attempt.zone && o.instanceType === attempt.instanceType && o.capacityType === attempt.capacityType,
  );
  const overheadMs = startOverheadMs(state, settings);
  if (here === undefined || nowMs + overheadMs > spotSafeUntilMs(state, settings, seen.progress)) return false;
  if (nowMs - attempt.resumed.atMs < overheadMs * 4) return false;
  const hereObjective = objectiveUsdPerHour(here, market.carbon.gramsPerKwh, state.spec.carbonPriceUsdPerTonne);
  const candidates = spotCandidates(context).filter((p) => p.offering.zone !== attempt.zone || p.offering.capacityType !== attempt.capacityType);
  const target = candidates[0];
  if (target === undefined) return false;
  const remainingHours = remainingWorkMs(state, seen.progress) / 3_600_000;
  const saving = (hereObjective - target.objectiveUsdPerHour) * remainingHours;
  const price = (hereObjective + target.objectiveUsdPerHour) * ((overheadMs + settings.noticeMs) / 3_600_000);
  return saving - price > settings.minMoveSaving * hereObjective * remainingHours;
}
