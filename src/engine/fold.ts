// Folds a record into the state of its job, and checks the legal order of events (record.ts, top). Folding is
// total over legal records; an illegal one throws, because every decision after it would be built on sand.

import { costUsd } from './energy.ts';
import { NerveError } from './errors.ts';
import type { JobEvent, JobRecord } from './record.ts';
import type { AttemptState, JobPhase, JobState } from './state.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Mutable<JobState> & { attempts: AttemptState[]; moves: { atMs: number; zone: string }[] };
type Of<T extends JobEvent['type']> = Extract<JobEvent, { type: T }>;

/** @throws NerveError `fatal` for an empty record or an illegal order of events, naming the event. */
export function fold(record: JobRecord): JobState {
  const problem = illegalOrder(record.events);
  if (problem !== null) {
    throw new NerveError('fatal', `The record of job ${record.jobId} is not legal: ${problem}.`, {
      hint: 'Keep a copy of the record (nerve report --events) and report it as a bug.',
      fields: { jobId: record.jobId },
    });
  }
  const first = record.events[0] as Of<'submitted'>;
  const draft = opened(first, record.version);
  for (const event of record.events) {
    draft.lastEventAtMs = Math.max(draft.lastEventAtMs, event.atMs);
    apply(draft, event);
  }
  draft.phase = phaseOf(draft);
  if (draft.phase !== 'held') {
    draft.heldWhy = null;
    draft.heldReason = null;
  }
  return draft;
}

function opened(first: Of<'submitted'>, version: number): Draft {
  return {
    spec: first.spec,
    deadlineMs: first.spec.deadlineMs,
    version,
    lastEventAtMs: first.atMs,
    phase: 'held',
    heldWhy: 'window',
    heldReason: null,
    attempts: [],
    pausedByUser: false,
    releaseRequested: false,
    cancelRequested: false,
    podsGone: false,
    moveRequestedAtMs: null,
    failures: 0,
    plan: null,
    moves: [],
    lastZone: null,
    lastProgress: null,
    lastCheckpoint: null,
    measuredStartOverheadMs: null,
    costUsd: 0,
    finished: null,
  };
}

function apply(draft: Draft, event: JobEvent): void {
  switch (event.type) {
    case 'submitted':
      return;
    case 'planned':
      draft.plan = event.plan;
      draft.heldWhy = event.why;
      draft.heldReason = event.reason;
      return;
    case 'amended':
      draft.deadlineMs = event.deadlineMs;
      return;
    case 'paused':
      draft.pausedByUser = true;
      draft.releaseRequested = false;
      return;
    case 'unpaused':
      draft.pausedByUser = false;
      return;
    case 'release-requested':
      draft.releaseRequested = true;
      draft.pausedByUser = false;
      return;
    case 'cancel-requested':
      draft.cancelRequested = true;
      draft.podsGone = event.gone === true;
      return;
    case 'move-requested':
      draft.moveRequestedAtMs = event.atMs;
      return;
    case 'launched':
      launch(draft, event);
      return;
    case 'placed':
      place(draft, event);
      return;
    case 'resumed':
      resume(draft, event);
      return;
    case 'noticed':
      patch(draft, event.attempt, { noticed: { atMs: event.atMs, endsAtMs: event.endsAtMs } });
      return;
    case 'stop-requested':
      patch(draft, event.attempt, { stopRequested: { atMs: event.atMs, request: event.request, reason: event.reason } });
      return;
    case 'checkpointed':
      patch(draft, event.attempt, { lastCheckpoint: event.checkpoint });
      draft.lastCheckpoint = event.checkpoint;
      draft.lastProgress = event.progress ?? draft.lastProgress;
      return;
    case 'ended':
      end(draft, event);
      return;
    case 'finished':
      draft.finished = { atMs: event.atMs, result: event.result, late: event.late, reason: event.reason };
      draft.lastCheckpoint = event.finalCheckpoint ?? draft.lastCheckpoint;
      return;
  }
}

function launch(draft: Draft, event: Of<'launched'>): void {
  draft.plan = event.plan;
  draft.releaseRequested = false;
  draft.moveRequestedAtMs = null;
  if (draft.lastZone !== null && draft.lastZone !== event.zone) draft.moves.push({ atMs: event.atMs, zone: event.zone });
  draft.lastZone = event.zone;
  draft.attempts.push({
    attempt: event.attempt,
    zone: event.zone,
    instanceType: event.instanceType,
    capacityType: event.capacityType,
    priceUsdPerHour: event.priceUsdPerHour,
    launchedAtMs: event.atMs,
    reason: event.reason,
    handover: event.handover,
    resumed: null,
    noticed: null,
    stopRequested: null,
    lastCheckpoint: null,
    ended: null,
  });
}

function place(draft: Draft, event: Of<'placed'>): void {
  const { zone, instanceType, capacityType, priceUsdPerHour } = event;
  const launchedAtMs = draft.attempts.find((a) => a.attempt === event.attempt)?.launchedAtMs;
  patch(draft, event.attempt, { zone, instanceType, capacityType, priceUsdPerHour });
  const before = draft.attempts.filter((a) => a.attempt < event.attempt && a.ended?.cause !== 'not-placed').at(-1);
  draft.moves = draft.moves.filter((m) => m.atMs !== launchedAtMs);
  if (before !== undefined && before.zone !== zone && launchedAtMs !== undefined) draft.moves.push({ atMs: launchedAtMs, zone });
  draft.lastZone = zone;
}

function resume(draft: Draft, event: Of<'resumed'>): void {
  const { atMs, step, epoch, checkpointId } = event;
  patch(draft, event.attempt, { resumed: { atMs, step, epoch, checkpointId } });
  draft.measuredStartOverheadMs = median(
    draft.attempts.flatMap((a) => (a.resumed === null || a.handover !== null ? [] : [a.resumed.atMs - a.launchedAtMs])),
  );
}

function end(draft: Draft, event: Of<'ended'>): void {
  const { atMs, cause, reason, lostWorkMs, exitCode, logTail } = event;
  patch(draft, event.attempt, { ended: { atMs, cause, reason, lostWorkMs, exitCode, logTail } });
  draft.costUsd += costUsd(event.usage);
  if (cause === 'failed') draft.failures += 1;
  if (event.progress !== null) draft.lastProgress = event.progress;
  // An attempt that was never placed was no start: its zone was not moved to.
  if (cause === 'not-placed') undoStart(draft, event.attempt);
}

function undoStart(draft: Draft, attempt: number): void {
  const placed = draft.attempts.filter((a) => a.ended?.cause !== 'not-placed');
  draft.lastZone = placed.at(-1)?.zone ?? null;
  const failed = draft.attempts.find((a) => a.attempt === attempt);
  if (failed === undefined) return;
  const index = draft.moves.findLastIndex((m) => m.atMs === failed.launchedAtMs && m.zone === failed.zone);
  if (index >= 0) draft.moves.splice(index, 1);
}

function patch(draft: Draft, attempt: number, change: Partial<AttemptState>): void {
  const index = draft.attempts.findIndex((a) => a.attempt === attempt);
  const old = draft.attempts[index];
  if (old !== undefined) draft.attempts[index] = { ...old, ...change };
}

function phaseOf(state: JobState): JobPhase {
  if (state.finished !== null) return state.finished.result;
  const open = openAttempts(state);
  const newest = open.at(-1);
  if (newest === undefined) return 'held';
  if (open.some((a) => a.noticed !== null || a.stopRequested !== null)) return 'evacuating';
  return newest.resumed === null ? 'starting' : 'running';
}

/** Attempts without an `ended` event, oldest first; at most two. */
export function openAttempts(state: Pick<JobState, 'attempts'>): readonly AttemptState[] {
  return state.attempts.filter((a) => a.ended === null);
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}

/** Why this sequence of events is not legal (record.ts says which are), or null. @internal exported for its tests. */
export function illegalOrder(events: readonly JobEvent[]): string | null {
  if (events[0]?.type !== 'submitted') return 'it does not open with "submitted"';
  const attempts = new Map<number, { leaving: boolean; ended: boolean }>();
  let last = 0;
  let finished = false;
  for (const [index, event] of events.entries()) {
    const at = `event ${index + 1} (${event.type})`;
    if (finished) return `${at} comes after "finished"`;
    if (index > 0 && event.type === 'submitted') return `${at} is a second "submitted"`;
    if (event.type === 'launched') {
      if (event.attempt !== last + 1) return `${at} launches attempt ${event.attempt} after attempt ${last}`;
      const open = [...attempts].filter(([, attempt]) => !attempt.ended);
      for (const [number, attempt] of open) if (!attempt.leaving) return `${at} while attempt ${number} goes on`;
      if (open.length > 1) return `${at} while attempts ${open.map(([number]) => number).join(' and ')} are open`;
      last = event.attempt;
      attempts.set(last, { leaving: false, ended: false });
    } else if (event.type === 'finished') {
      if ([...attempts.values()].some((a) => !a.ended)) return `${at} while an attempt is open`;
      finished = true;
    } else if ('attempt' in event) {
      const attempt = attempts.get(event.attempt);
      if (attempt === undefined) return `${at} names attempt ${event.attempt}, which was never launched`;
      if (attempt.ended) return `${at} comes after the end of attempt ${event.attempt}`;
      if (event.type === 'noticed' || event.type === 'stop-requested') attempt.leaving = true;
      if (event.type === 'ended') attempt.ended = true;
    }
  }
  return null;
}
