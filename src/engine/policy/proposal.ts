// What a policy is shown and what it may answer. It only proposes: restrain.ts keeps the deadline and place.ts the move
// limit, whatever it says.

import type { JobSpec } from '../job.ts';
import type { Outlook, Priced, Window } from '../objective.ts';
import type { EngineSettings, MarketView } from '../snapshot.ts';

/** Where a job runs that asks whether it should go on there. */
export interface RunningAt {
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: 'spot' | 'on-demand';
  /** Of its start; 0 once it computes. */
  readonly overheadLeftMs: number;
}

export interface PolicyContext {
  readonly spec: JobSpec;
  readonly deadlineMs: number;
  readonly nowMs: number;
  readonly market: MarketView;
  readonly outlook: Outlook;
  /** Spot that decide.ts allows now (capacity, move limit, dry zones), cheapest objective first. */
  readonly spot: readonly Priced[];
  /** Null: nothing of it runs. */
  readonly at: RunningAt | null;
  readonly workMs: number;
  readonly startOverheadMs: number;
  /** The job has run before: it goes on unless waiting pays clearly. */
  readonly underWay: boolean;
  /** A window must open by then. */
  readonly spotSafeUntilMs: number;
  /** What the safety layer will let pass. */
  readonly may: Permits;
  readonly settings: EngineSettings;
}

/** With each of these, on demand from the next look on still meets the deadline in the worst case. */
export interface Permits {
  readonly wait: boolean;
  readonly startSpot: boolean;
  readonly staySpot: boolean;
}

export type Proposal =
  | { readonly do: 'stay' }
  | { readonly do: 'spot'; readonly ranked: readonly Priced[] }
  | { readonly do: 'on-demand' }
  | { readonly do: 'wait'; readonly window: Window; readonly greener: boolean }
  | { readonly do: 'nothing-on-offer' };

export type Policy = (context: PolicyContext) => Proposal;
