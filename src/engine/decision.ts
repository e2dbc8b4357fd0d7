// What the engine answers. A decision is a value: nothing happened yet. `act` in the worker carries it out,
// idempotently, and appends the matching event afterwards.

import type { CapacityType, JobId } from './job.ts';
import type { Reason } from './reasons.ts';
import type { HeldWhy, Plan, StopRequest } from './record.ts';

/** Where to run: the first choice, and the others in order of preference (an on-demand ask names every zone and type). */
export interface Placement {
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  /** Null: nobody knows (the feed is broken); only on demand is asked for so, and only to be on time. */
  readonly priceUsdPerHour: number | null;
}

export type Decision =
  /** Stay held; look again at `wakeAtMs` at the latest. */
  | { readonly do: 'hold'; readonly jobId: JobId; readonly why: HeldWhy; readonly reason: Reason; readonly plan: Plan; readonly wakeAtMs: number }
  /** Create attempt `attempt`. `ranked` is never empty; `ranked[0]` is the choice. */
  | {
      readonly do: 'launch';
      readonly jobId: JobId;
      readonly attempt: number;
      readonly ranked: readonly Placement[];
      readonly reason: Reason;
      readonly handover: { readonly previousAttempt: number; readonly waitSealedUntilMs: number } | null;
      readonly plan: Plan;
      readonly wakeAtMs: number;
    }
  /** Ask a running attempt to seal a final checkpoint and stop training. */
  | {
      readonly do: 'stop';
      readonly jobId: JobId;
      readonly attempt: number;
      readonly request: StopRequest;
      readonly reason: Reason;
      readonly wakeAtMs: number;
    }
  /** Delete (evict) an attempt object: its seal is final, it was never placed, or it must not be. */
  | { readonly do: 'remove'; readonly jobId: JobId; readonly attempt: number; readonly reason: Reason; readonly wakeAtMs: number }
  /** Leave a running attempt alone. */
  | { readonly do: 'keep'; readonly jobId: JobId; readonly attempt: number; readonly reason: Reason; readonly wakeAtMs: number };
