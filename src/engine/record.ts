// The job record: an append-only list of events, and the only truth about a job. State is folded from it
// (fold.ts) and never stored beside it.
//
// The legal order, in prose. A record opens with exactly one `submitted`. While the job lives, `planned`,
// `amended`, `paused`, `unpaused`, `release-requested`, `move-requested` and `cancel-requested` may come at any time. Attempts are
// numbered 1, 2, 3 ... without gaps, and each goes
//
//     launched -> [placed] -> [resumed ...] -> [noticed] -> [stop-requested] -> [checkpointed ...] -> ended
//
// where everything in brackets may be missing, `resumed` comes again when a container restarted in place, and
// nothing about an attempt comes after its `ended`. Attempt n+1 may be launched before attempt n has ended
// (booting overlaps with saving), but only if attempt n was `noticed`, was `stop-requested`, or has ended; at
// most two attempts are ever open (1 and 3, when 2 was never placed). `finished` is the last event; it comes when no attempt is open.
// A fact is appended after it was observed, and an act is recorded after it was done (acts are idempotent by name):
// a process that dies between the two leaves something that the next observation finds and records.
//
// `append` names the version it read up to, and a second writer with the same version is refused by Redis itself.
// `atMs` never decreases inside a record, whatever a clock does: fold and append clamp it.

import type { CapacityType, JobId, JobSpec } from './job.ts';
import type { Reason } from './reasons.ts';

/** Part of a run during which price and grid were constant. Cost = hours x price; carbon = hours x kW x g/kWh. */
export interface UsageSegment {
  readonly fromMs: number;
  readonly toMs: number;
  readonly priceUsdPerHour: number;
  /** Power drawn from the grid for the whole instance, PUE included. */
  readonly facilityPowerKw: number;
  /** Average (not marginal) intensity of the grid. */
  readonly carbonGramsPerKwh: number;
}

export interface CheckpointInfo {
  /** The SDK's id of the seal, for people. */
  readonly id: string;
  readonly step: number;
  readonly bytes: number;
  /** Blocking and writing time, real ms as the SDK measured it. */
  readonly durationMs: number;
  readonly sealedAtMs: number;
  /** Nothing was computed after it: the attempt stopped there. */
  readonly final: boolean;
}

/** What the plan was when a job was held or launched: quote, status and explain show it. */
export interface Plan {
  /** When the job is expected to start (now, if it starts). */
  readonly startMs: number;
  /** After this it runs on demand, whatever it costs. */
  readonly latestStartMs: number;
  readonly zone: string | null;
  readonly instanceType: string | null;
  readonly capacityType: CapacityType | null;
  /** Null where no price is known. */
  readonly expectedCostUsd: number | null;
  readonly expectedCarbonGrams: number | null;
  /** What starting at this very moment would be expected to cost; `null` when nothing is on offer now. */
  readonly costNowUsd: number | null;
  readonly carbonNowGrams: number | null;
  /** A held job is looked at again when the best objective on offer (USD per hour of work, carbon included) falls to this. */
  readonly wakeAtOrBelowUsdPerHour: number | null;
}

export type EndCause =
  | 'succeeded'
  | 'failed' // by itself; also exit 75, unasked, of a program that never spoke of checkpoints
  | 'interrupted' // notice, lost node, eviction, or 143 with a fresh seal
  | 'stopped' // Nerve asked (move, pause, supersede, cancel, down), or it asked itself to be started again (exit 75)
  | 'not-placed' // never scheduled: no capacity
  | 'cancelled'; // someone else deleted it

export type FinishResult = 'succeeded' | 'failed' | 'cancelled';

/** start at once, on demand, uninterrupted: the one counterfactual every report states. */
export interface Counterfactual {
  readonly instanceType: string;
  readonly usage: readonly UsageSegment[];
}

export type JobEvent =
  | {
      readonly type: 'submitted';
      readonly atMs: number;
      readonly spec: JobSpec;
      readonly latestStartMs: number;
      readonly simulated: readonly string[];
    }
  | { readonly type: 'planned'; readonly atMs: number; readonly why: HeldWhy; readonly reason: Reason; readonly plan: Plan }
  | { readonly type: 'amended'; readonly atMs: number; readonly deadlineMs: number }
  | { readonly type: 'paused'; readonly atMs: number }
  | { readonly type: 'unpaused'; readonly atMs: number }
  | { readonly type: 'release-requested'; readonly atMs: number }
  /** `gone`: nobody asked Nerve; its pods were deleted. */
  | { readonly type: 'cancel-requested'; readonly atMs: number; readonly gone?: true }
  /** `nerve drill --move`: on to another zone, as if the cloud had asked for this machine. */
  | { readonly type: 'move-requested'; readonly atMs: number }
  | {
      readonly type: 'launched';
      readonly atMs: number;
      readonly attempt: number;
      readonly zone: string;
      readonly instanceType: string;
      readonly capacityType: CapacityType;
      /** Null: nobody knew it (broken feed). */
      readonly priceUsdPerHour: number | null;
      readonly reason: Reason;
      /** Attempt whose final seal this one waits for, with the instant it waits until. */
      readonly handover: { readonly previousAttempt: number; readonly waitSealedUntilMs: number } | null;
      readonly plan: Plan;
    }
  /** The cluster put the attempt elsewhere than its first choice (an on-demand ask names every zone). */
  | {
      readonly type: 'placed';
      readonly atMs: number;
      readonly attempt: number;
      readonly zone: string;
      readonly instanceType: string;
      readonly capacityType: CapacityType;
      readonly priceUsdPerHour: number | null;
    }
  /** The attempt is past its resume point: it holds the epoch and trains. `step` 0 with no checkpoint = from the beginning. */
  | {
      readonly type: 'resumed';
      readonly atMs: number;
      readonly attempt: number;
      readonly step: number;
      readonly epoch: number;
      readonly checkpointId: string | null;
    }
  | {
      readonly type: 'noticed';
      readonly atMs: number;
      readonly attempt: number;
      readonly action: 'terminate' | 'stop' | 'hibernate';
      readonly endsAtMs: number;
    }
  | { readonly type: 'stop-requested'; readonly atMs: number; readonly attempt: number; readonly request: StopRequest; readonly reason: Reason }
  | {
      readonly type: 'checkpointed';
      readonly atMs: number;
      readonly attempt: number;
      readonly checkpoint: CheckpointInfo;
      readonly progress: ProgressFact | null;
    }
  | {
      readonly type: 'ended';
      readonly atMs: number;
      readonly attempt: number;
      readonly cause: EndCause;
      readonly reason: Reason;
      readonly exitCode: number | null;
      /** What is billed, from node to end; empty when it was never placed. */
      readonly usage: readonly UsageSegment[];
      /** Computed, but not in any seal: it will be done again. */
      readonly lostWorkMs: number;
      readonly progress: ProgressFact | null;
      /** The last lines of output, kept only for the job's own failures; at most 2 kB. */
      readonly logTail: string | null;
    }
  | {
      readonly type: 'finished';
      readonly atMs: number;
      readonly result: FinishResult;
      readonly reason: Reason;
      readonly late: boolean;
      /** Time past resume points, less what was lost: what an uninterrupted run would have taken. */
      readonly usefulWorkMs: number;
      readonly counterfactual: Counterfactual | null;
      readonly finalCheckpoint: CheckpointInfo | null;
    };

export type HeldWhy = 'window' | 'no-capacity' | 'user' | 'retry';

/** `down`: Nerve itself ends, on one machine. The job goes on when it is started again. */
export type StopRequest = 'move' | 'pause' | 'cancel' | 'down';

/** Progress as a decision used it. `remainingMs` is on the record's clock. */
export interface ProgressFact {
  readonly step: number;
  readonly totalSteps: number | null;
  readonly remainingMs: number | null;
}

/** A record as read: `version` is the number of the last entry (0 = none), and `append` names it. */
export interface JobRecord {
  readonly jobId: JobId;
  readonly version: number;
  readonly events: readonly JobEvent[];
}
