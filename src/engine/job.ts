// What a user asked for. Everything here is fixed at submit, except the deadline (`nerve set`), which
// the record amends. Instants are epoch ms of the (possibly virtual) clock; lengths are ms of that clock.

/** `j-` and eight lower-case letters or digits. Never contains `:` (BullMQ forbids it). */
export type JobId = string;

export type CapacityType = 'spot' | 'on-demand';

export type Optimize = 'cost' | 'carbon' | 'balanced';

/** A real child process on this machine (local cluster). The environment is never part of it: DESIGN section 1, item 7. */
export interface ProcessProgram {
  readonly kind: 'process';
  /** argv, already split: never passed through a shell by Nerve. */
  readonly command: readonly string[];
  /** Absolute folder where `nerve submit` was typed. */
  readonly cwd: string;
}

/** A pod that the API server admitted (docs/decisions/0009-the-cluster-wire.md). Its spec is never part of the record. */
export interface PodProgram {
  readonly kind: 'pod';
  readonly namespace: string;
  /** `job`: a batch/v1 Job re-creates its pods; `none`: Nerve does. */
  readonly owner: 'none' | 'job';
}

export type Program = ProcessProgram | PodProgram;

export interface JobSpec {
  readonly id: JobId;
  /** Display name; finished runs of one name teach Nerve how long the next one takes. */
  readonly name: string;
  readonly submittedAtMs: number;
  readonly deadlineMs: number;
  /** Expected length of one uninterrupted run. */
  readonly workMs: number;
  readonly workSource: 'user' | 'median-of-finished' | 'profile';
  /** Nobody knows how long it takes (`workSource` profile): it starts at once, and is planned once it has reported its speed. */
  readonly profileMs?: number;
  /** It may be stopped and resumed where that pays, so it runs in the best hours and not in one stretch. It must checkpoint. */
  readonly interruptible?: boolean;
  readonly optimize: Optimize;
  /** What a tonne of CO2e costs in the objective; 0 means pure price order. */
  readonly carbonPriceUsdPerTonne: number;
  /** The user's cap, also for on-demand; `null` = none. A cap can make a deadline unreachable, and quote says so. */
  readonly maxPriceUsdPerHour: number | null;
  /** Acceptable zone ids (`euw3-az1`); `null` = every zone of the region. */
  readonly zones: readonly string[] | null;
  /** Acceptable instance types; never empty. */
  readonly instanceTypes: readonly string[];
  /** How many of the job's own failures are forgiven. A dry spot market or an interruption never counts. */
  readonly retries: number;
  /** `file:///dir` or `s3://bucket/prefix`; the seal log lives under it. */
  readonly checkpointUri: string;
  readonly program: Program;
  /** Nerve could not start it again: it never runs on spot, and is not made to leave (capacity.ts). */
  readonly onDemandOnly?: boolean;
  /** Pods of it may be ended this often before it is the same. Absent: as often as need be. */
  readonly maxEvictions?: number;
  /** No deadline: it waits for spot, and is never worth full price. */
  readonly spotOnly?: boolean;
}
