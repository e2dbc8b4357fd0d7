// Who ended this attempt? A pure function of the last objects seen (DESIGN section 2.8): interrupted, stopped by Nerve, cancelled
// by somebody else, succeeded, or failed by itself. Only the last kind counts against --retries.

import type { EndCause } from './record.ts';
import type { Reason } from './reasons.ts';
import type { ObservedAttempt } from './snapshot.ts';
import type { AttemptState } from './state.ts';

export interface Verdict {
  readonly cause: EndCause;
  readonly reason: Reason;
}

/** "Checkpointed, reschedule me" (EX_TEMPFAIL), and the shell's number for a process ended by SIGTERM. */
const EXIT_RESCHEDULE = 75;
const EXIT_SIGTERM = 143;

/** Null while the attempt goes on. `seen` null: the object is gone from the cluster. */
export function whoEnded(attempt: AttemptState, seen: ObservedAttempt | null): Verdict | null {
  if (seen === null) return goneVerdict(attempt);
  if (seen.phase === 'succeeded') return { cause: 'succeeded', reason: 'completed' };
  const nodeLost = seen.node !== null && !seen.node.ready;
  if (seen.endedAtMs === null && seen.phase !== 'failed') return null;
  if (seen.placedAtMs === null) return seen.deletedByNerve || seen.deletionRequestedAtMs === null ? notPlaced(attempt) : someoneElse();
  const stopped = attempt.stopRequested;
  const noticed = attempt.noticed !== null || (seen.node?.interruption ?? null) !== null;
  const rescheduled = seen.exitCode === EXIT_RESCHEDULE && seen.deletionRequestedAtMs === null && !seen.deletedByNerve && seen.disruption === null;
  const cleanExit = seen.exitCode === EXIT_RESCHEDULE || (seen.exitCode === EXIT_SIGTERM && freshSeal(attempt, seen));
  if (stopped !== null && (cleanExit || seen.deletedByNerve)) return { cause: 'stopped', reason: stopped.reason };
  if (noticed) return { cause: 'interrupted', reason: 'interruption-notice' };
  if (nodeLost || (seen.nodeName !== null && seen.node === null)) return { cause: 'interrupted', reason: 'node-vanished' };
  // Nobody took its machine and nobody asked. Of a program that speaks the checkpoint contract it means "start me again"; what it sealed last may
  // not have been told any more. Of any other it is a number like any other.
  if (rescheduled) return speaks(attempt, seen) ? { cause: 'stopped', reason: 'asked-again' } : { cause: 'failed', reason: 'retry-after-failure' };
  if (seen.disruption !== null || cleanExit) return { cause: seen.deletedByNerve ? 'stopped' : 'interrupted', reason: 'node-vanished' };
  if (seen.deletedByNerve) return { cause: 'stopped', reason: 'superseded' };
  if (seen.deletionRequestedAtMs !== null) return someoneElse();
  return { cause: 'failed', reason: 'retry-after-failure' };
}

const someoneElse = (): Verdict => ({ cause: 'cancelled', reason: 'deleted-by-someone-else' });

function notPlaced(attempt: AttemptState): Verdict {
  return { cause: 'not-placed', reason: attempt.stopRequested?.reason ?? 'placement-failed' };
}

function goneVerdict(attempt: AttemptState): Verdict {
  if (attempt.stopRequested !== null) return { cause: 'stopped', reason: attempt.stopRequested.reason };
  return { cause: 'interrupted', reason: attempt.noticed === null ? 'node-vanished' : 'interruption-notice' };
}

const speaks = (attempt: AttemptState, seen: ObservedAttempt): boolean =>
  [seen.resumed, seen.progress, seen.lastCheckpoint, attempt.resumed, attempt.lastCheckpoint].some((said) => said !== null);

function freshSeal(attempt: AttemptState, seen: ObservedAttempt): boolean {
  const seal = seen.lastCheckpoint ?? attempt.lastCheckpoint;
  return (
    seal !== null && (seal.final || (seen.endedAtMs !== null && seen.deletionRequestedAtMs !== null && seal.sealedAtMs >= seen.deletionRequestedAtMs))
  );
}
