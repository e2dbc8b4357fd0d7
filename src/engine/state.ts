// What a record folds to (fold.ts). Derived, never stored.

import type { CapacityType, JobSpec } from './job.ts';
import type { Reason } from './reasons.ts';
import type { CheckpointInfo, EndCause, FinishResult, HeldWhy, Plan, ProgressFact, StopRequest } from './record.ts';

/** held -> starting -> running -> evacuating -> held or starting ... -> succeeded | failed | cancelled. */
export type JobPhase = 'held' | 'starting' | 'running' | 'evacuating' | 'succeeded' | 'failed' | 'cancelled';

export interface AttemptState {
  readonly attempt: number;
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  readonly priceUsdPerHour: number | null;
  readonly launchedAtMs: number;
  readonly reason: Reason;
  readonly handover: { readonly previousAttempt: number; readonly waitSealedUntilMs: number } | null;
  readonly resumed: { readonly atMs: number; readonly step: number; readonly epoch: number; readonly checkpointId: string | null } | null;
  readonly noticed: { readonly atMs: number; readonly endsAtMs: number } | null;
  readonly stopRequested: { readonly atMs: number; readonly request: StopRequest; readonly reason: Reason } | null;
  readonly lastCheckpoint: CheckpointInfo | null;
  readonly ended: {
    readonly atMs: number;
    readonly cause: EndCause;
    readonly reason: Reason;
    readonly lostWorkMs: number;
    readonly exitCode: number | null;
    readonly logTail: string | null;
  } | null;
}

export interface JobState {
  readonly spec: JobSpec;
  /** After amendments. */
  readonly deadlineMs: number;
  readonly version: number;
  readonly lastEventAtMs: number;
  readonly phase: JobPhase;
  /** Why it is held; null unless `phase` is held. */
  readonly heldWhy: HeldWhy | null;
  readonly heldReason: Reason | null;
  readonly attempts: readonly AttemptState[];
  readonly pausedByUser: boolean;
  readonly releaseRequested: boolean;
  readonly cancelRequested: boolean;
  /** It is cancelled because its pods were deleted, not because somebody asked Nerve to. */
  readonly podsGone: boolean;
  /** When its user asked for another zone; null once it was started since. */
  readonly moveRequestedAtMs: number | null;
  /** The job's own failures so far. */
  readonly failures: number;
  /** Newest plan (held or launched). */
  readonly plan: Plan | null;
  /** Starts in another zone than the start before, in order: the move limiter counts these. */
  readonly moves: readonly { readonly atMs: number; readonly zone: string }[];
  readonly lastZone: string | null;
  readonly lastProgress: ProgressFact | null;
  readonly lastCheckpoint: CheckpointInfo | null;
  /** Median of launch -> resumed as measured for this job; null until the first. */
  readonly measuredStartOverheadMs: number | null;
  /** Of the attempts that have ended. */
  readonly costUsd: number;
  readonly finished: { readonly atMs: number; readonly result: FinishResult; readonly late: boolean; readonly reason: Reason } | null;
}
