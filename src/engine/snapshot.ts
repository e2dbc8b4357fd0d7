// What the engine is shown: the market once, the jobs that are due, and the rules. A snapshot is frozen data with
// an instant; the engine never asks for more. Adapters fill it, the simulation fills it, the benchmark fills it.

import type { CapacityType, JobId } from './job.ts';
import type { ForecastModels } from './forecaster/model.ts';
import type { CheckpointInfo, JobRecord, StopRequest } from './record.ts';

/** One thing that can be bought now: zone x instance type x capacity type. */
export interface Offering {
  /** Zone id (`euw3-az1`), never the account's shuffled name. */
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  readonly priceUsdPerHour: number;
  /** When that price was read. */
  readonly pricedAtMs: number;
  /** False: known to be out of capacity now. */
  readonly available: boolean;
  /** Whole instance, PUE included. */
  readonly facilityPowerKw: number;
}

/** Equally spaced means: `values[i]` covers [startMs + i*stepMs, startMs + (i+1)*stepMs). Newest last; gaps are NaN. */
export interface Series {
  readonly startMs: number;
  readonly stepMs: number;
  readonly values: readonly number[];
}

export interface SpotHistory {
  readonly zone: string;
  readonly instanceType: string;
  /** USD/hour, about seven days back, ending at or before now. */
  readonly priceUsdPerHour: Series;
}

/** When spot of one type in one zone was there and when it was not, as observed. */
export interface AvailabilityHistory {
  readonly zone: string;
  readonly instanceType: string;
  readonly observedFromMs: number;
  readonly availableAtFirst: boolean;
  /** Instants, ascending, at which it was first seen to have changed: from then on it was the other way. */
  readonly changesMs: readonly number[];
  /** Time between two looks. */
  readonly observedEveryMs: number;
}

export interface CarbonView {
  readonly gramsPerKwh: number;
  /** Only `marginal` may be called "avoided" without a footnote. */
  readonly signal: 'average' | 'marginal';
  readonly source: string;
  readonly readAtMs: number;
  readonly history: Series;
}

export interface MarketView {
  readonly region: string;
  /** Names of the parts that are simulated, e.g. `["prices","availability","carbon"]`; empty in production. */
  readonly simulated: readonly string[];
  readonly offerings: readonly Offering[];
  readonly spotHistory: readonly SpotHistory[];
  /** Where it is known, the policy plans with how long spot lasts and how soon it returns; where not, with prices alone. */
  readonly availability?: readonly AvailabilityHistory[];
  readonly carbon: CarbonView;
  /** Trained forecasts; where there is none, the 7-day mean with level. */
  readonly models?: ForecastModels;
}

export interface NodeNotice {
  readonly action: 'terminate' | 'stop' | 'hibernate';
  readonly noticedAtMs: number;
  readonly endsAtMs: number;
}

export interface ObservedNode {
  readonly name: string;
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  readonly ready: boolean;
  /** Since when the cluster has not heard of it; null while it does, whatever it says. */
  readonly silentSinceMs: number | null;
  readonly interruption: NodeNotice | null;
  readonly rebalanceAtMs: number | null;
  /** `nerve` when Nerve cordoned it; another name when somebody else did; null when schedulable. */
  readonly cordonedBy: string | null;
}

/** Reported by the agent from the SDK's hook, converted to the record's clock at the agent's edge. */
export interface ObservedProgress {
  readonly step: number;
  readonly totalSteps: number | null;
  readonly remainingMs: number | null;
  readonly atMs: number;
}

export type AttemptPhase = 'pending' | 'running' | 'succeeded' | 'failed';

export interface ObservedAttempt {
  /** `nerve-<job>-a<attempt>`. */
  readonly name: string;
  readonly jobId: JobId;
  readonly attempt: number;
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  /** Price in force where it is (or was first asked for); null: not known. */
  readonly priceUsdPerHour: number | null;
  readonly phase: AttemptPhase;
  readonly createdAtMs: number;
  /** Bound to a node: billing starts. */
  readonly placedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly exitCode: number | null;
  /** Since when nothing could take it; null once placed. */
  readonly unschedulableSinceMs: number | null;
  readonly deletionRequestedAtMs: number | null;
  /** Asked to be deleted: from then on its process is killed, not asked. */
  readonly graceEndsAtMs: number | null;
  /** Nerve itself asked for the deletion. */
  readonly deletedByNerve: boolean;
  /** Reason of the DisruptionTarget condition (`EvictionByEvictionAPI`, `DeletionByPodGC`, ...). */
  readonly disruption: string | null;
  /** The node it is or was on, as last seen; null before placement or when the node object is gone. */
  readonly node: ObservedNode | null;
  readonly nodeName: string | null;
  readonly stopRequest: StopRequest | null;
  readonly resumed: { readonly step: number; readonly epoch: number; readonly checkpointId: string | null; readonly atMs: number } | null;
  readonly progress: ObservedProgress | null;
  readonly lastCheckpoint: CheckpointInfo | null;
  readonly logTail: string | null;
}

/** One job as observed: its record and every attempt object of it that the cluster still shows. */
export interface JobView {
  readonly record: JobRecord;
  readonly attempts: readonly ObservedAttempt[];
}

/** The rules. Lengths are ms of the record's clock: where that runs fast, real sweep and notice were converted before. */
export interface EngineSettings {
  /** How long one sweep may leave an event unnoticed. */
  readonly sweepMs: number;
  /** Length of an interruption notice. */
  readonly noticeMs: number;
  /** Asking for on-demand until it runs. */
  readonly onDemandLeadMs: number;
  /** From launch to past the resume point, until measured for the job. */
  readonly startOverheadMs: number;
  /** What a node that vanishes without notice can cost: the longest time between two periodic checkpoints. */
  readonly maxUnsavedMs: number;
  /** Kept in hand on top of everything known. */
  readonly marginMs: number;
  /** A pending spot attempt is given up after this. */
  readonly placementTimeoutMs: number;
  /** An attempt that has a machine and does not start there is given up after this, and after twice as long each further time. */
  readonly startTimeoutMs: number;
  /** At most this many zone moves ... */
  readonly maxMoves: number;
  /** ... in this rolling window. */
  readonly moveWindowMs: number;
  /** A later window must save at least this fraction of today's objective to be worth holding for. */
  readonly minHoldSaving: number;
  /** A voluntary move must save at least this fraction of what remains. */
  readonly minMoveSaving: number;
  /** Set in a world that moves in ticks (benchmark, replay): nothing changes between two of them, and its bounds are announced. */
  readonly ticks?: TickWorld;
}

/** Announced bounds of a world in ticks. Work of a tick is never lost; what is lost, is lost at the next tick. */
export interface TickWorld {
  readonly tickMs: number;
  /** A start takes at most `startOverheadMs` times this. */
  readonly overheadFactorMax: number;
  /** Work done per time past the start: at least, and as expected of this job so far. */
  readonly workRateMin: number;
  readonly workRateExpected: number;
  /** Of a spot launch; on demand never fails. */
  readonly launchFailureProbability: number;
}

export interface Snapshot {
  readonly nowMs: number;
  readonly market: MarketView;
  readonly jobs: readonly JobView[];
  readonly settings: EngineSettings;
}
