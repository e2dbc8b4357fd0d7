// The few interfaces between the loops (worker, agent) and the outside world. Each but Log, which promises nothing, has one contract
// suite in test/contract/ that runs on the memory fake and on the real adapter. All instants are the record's clock (virtual in the
// local cluster) unless a name says `real`. Every method may reject with a NerveError whose `kind` says what to
// do; every method ends within its adapter's own timeout, so the loops never race a timer. A call that was not answered may still
// take effect.

import type { Placement } from './engine/decision.ts';
import type { JobId, JobSpec } from './engine/job.ts';
import type { Refusal } from './engine/metrics.ts';
import type { WorkerBeat } from './engine/pod/beat.ts';
import type { CheckpointInfo, JobEvent, JobRecord, StopRequest, UsageSegment } from './engine/record.ts';
import type { ObjectMeta, Pod } from './engine/pod/types.ts';
import type { JobReport } from './engine/report.ts';
import type { MarketView, NodeNotice, ObservedAttempt, ObservedProgress } from './engine/snapshot.ts';
import type { JobState } from './engine/state.ts';

export interface Clock {
  /** The record's clock, epoch ms. */
  nowMs(): number;
  /** The wall clock, epoch ms: for what talks to real processes and protocols. Equal to `nowMs()` in production. */
  realNowMs(): number;
  /** Real ms, for everything that talks to processes and protocols. Resolves early (without error) when aborted. */
  sleep(realMs: number, signal?: AbortSignal): Promise<void>;
  /** Record ms per real ms; 1 in production. */
  readonly speed: number;
}

/** Job records: one append-only stream per job. */
export interface Records {
  /** The whole record, or null if there never was one (or its retention passed). */
  read(jobId: JobId): Promise<JobRecord | null>;
  /**
   * Appends `events` as one atomic entry after `readVersion` (0 creates the record). Answers the new version, or
   * `conflict` when somebody appended first: re-read and re-decide. Appending nothing changes nothing.
   */
  append(jobId: JobId, readVersion: number, events: readonly JobEvent[]): Promise<number | 'conflict'>;
  /** Ids of jobs that were created and not closed: a job that has finished is here until it is put away. */
  live(): Promise<readonly JobId[]>;
  /** Keeps the report (13 months) and takes the job out of `live`. Idempotent; after the `finished` event. */
  close(jobId: JobId, report: JobReport): Promise<void>;
}

/** The deadline queue: exactly one alarm per live job. */
export interface Alarms {
  /**
   * Sets the alarm, or moves it; a job being handled right now is re-armed when its handler returns, at the earlier time. An
   * alarm that is due already may come all the same.
   */
  arm(jobId: JobId, atMs: number): Promise<void>;
  /** Wakes the job as soon as possible, however far its alarm is. False if no alarm exists. */
  wake(jobId: JobId): Promise<boolean>;
  /** Removes the alarm, also that of a job being handled, whatever its handler answers. Idempotent. */
  disarm(jobId: JobId): Promise<void>;
  /** Every armed alarm with its time (for jobs that are due or being handled one that has passed): the sweep compares these with `Records.live`. */
  armed(): Promise<ReadonlyMap<JobId, number>>;
  /**
   * Calls `handle` for each due job until `signal` aborts; one job is never handled twice at once by live processes.
   * `handle` answers when to wake next, or null when the job has finished. A handler that throws is called again with back-off.
   */
  run(handle: (jobId: JobId) => Promise<number | null>, signal: AbortSignal): Promise<void>;
}

/** A lock that only saves work: correctness never rests on it. */
export interface Leadership {
  /** Takes or renews the lock; the epoch if this process leads now, else null. */
  lead(): Promise<number | null>;
  resign(): Promise<void>;
}

export interface LaunchAsk {
  readonly name: string;
  readonly spec: JobSpec;
  readonly attempt: number;
  readonly ranked: readonly Placement[];
  readonly handover: { readonly previousAttempt: number; readonly waitSealedUntilMs: number } | null;
}

/** The worker's hands. Every method is idempotent: names are deterministic, "already there" and "not found" are success. */
export interface Cluster {
  /** Every attempt object of Nerve's that exists, ended ones included until `forget`. */
  attempts(): Promise<readonly ObservedAttempt[]>;
  /**
   * The attempt objects of one job. `within`: the namespace of its record; what bears the job's label elsewhere is somebody else's, and
   * stays out of this and of every later call for that job. Read fresh, never from a cache, unless `open` is given, the attempts that the
   * record has open: then what a watch told last may be answered, if it shows each of them. That is good for facts, never to act on.
   */
  attemptsOf(jobId: JobId, within?: string, open?: readonly number[]): Promise<readonly ObservedAttempt[]>;
  /** Creates the attempt, or answers the one that already has this name (its placement is what counts). */
  launch(ask: LaunchAsk): Promise<ObservedAttempt>;
  /**
   * Annotates the attempt: the agent takes it to the checkpoint hook.
   * @throws NerveError `conflict` where it could not be ended afterwards (a PodDisruptionBudget): it would sit there, sealed and idle.
   */
  requestStop(name: string, request: StopRequest): Promise<void>;
  /**
   * Asks for deletion with grace: SIGTERM, then SIGKILL. The ended object stays visible until `forget`. `lost`: its machine has not been heard of,
   * so that nobody would confirm the deletion. Where that is still so, the object is dropped at once.
   */
  remove(name: string, lost?: boolean): Promise<void>;
  /** Drops the ended objects of a finished job and its private files. An object that stays because it is a user's is told how the job ended. */
  forget(jobId: JobId, ended?: JobState): Promise<void>;
  /** Calls back with the jobs whose attempts or nodes changed, until aborted. May repeat, may miss: the sweep covers that. */
  watch(changed: (jobIds: readonly JobId[]) => void, signal: AbortSignal): Promise<void>;
}

/** A job that stands on a pod: what its intake and its users' asks are read from. */
export interface Arrival {
  readonly jobId: JobId;
  /** Its newest pod, with the fields that a watch keeps. */
  readonly pod: Pod;
  /** No pod of it was ever let start. */
  readonly gated: boolean;
}

/** The cluster's side of intake: a live job is its pods, and Redis may have been wiped. */
export interface Arrivals {
  /** Every job (or each of `only`) that has a pod, and whose pods are not history. @throws NerveError `unreachable` where they are not known, or have not been heard of for long. */
  jobs(only?: ReadonlySet<JobId>): Promise<readonly Arrival[]>;
  /** The whole newest pod, read fresh; null when it is gone. */
  whole(jobId: JobId): Promise<Pod | null>;
  /** Writes what changed on the job's newest pod; null takes an annotation away. A pod that is gone is success. */
  annotate(jobId: JobId, annotations: Readonly<Record<string, string | null>>): Promise<void>;
  /** Takes Nerve's gate off the newest pod of a job that has ended: it starts as it is, is no attempt of anything, and says how the job ended. A pod that is gone is success. */
  open(jobId: JobId, annotations: Readonly<Record<string, string | null>>): Promise<void>;
  /** Answers the jobs whose pods have changed since the last call, a moment after the first of them, or none after `withinRealMs`. */
  next(withinRealMs: number, signal: AbortSignal): Promise<ReadonlySet<JobId>>;
}

/** Admitted pod specs, kept where nobody but the worker can read or make one. */
export interface SpecVault {
  keep(jobId: JobId, pod: Pod): Promise<void>;
  /** Null: none was kept, or it does not open (which is counted and logged, and is never used). */
  open(jobId: JobId): Promise<Pod | null>;
  forget(jobId: JobId): Promise<void>;
}

export interface MeterAsk extends Omit<Placement, 'priceUsdPerHour'> {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Market {
  /** What is on offer now, with its history, as far as it is known. */
  view(): Promise<MarketView>;
  /** What running there in [fromMs, toMs) cost and emitted, with the prices then in force. `toMs` may lie ahead: forecast by the last value. */
  meter(ask: MeterAsk): Promise<readonly UsageSegment[]>;
}

// --- the fail-safe's side of a cluster ---

/** The attempt of a job whose containers may still run. */
export interface Predecessor {
  readonly attempt: number;
  /** Its containers are killed by then. Real epoch ms. */
  readonly endsAtMs: number;
}

/** Adopted pods of Jobs, as the webhook's own watch shows them. Answers from memory. */
export interface Predecessors {
  of(namespace: string, jobId: JobId): Predecessor | null;
  /** Is there a pod of this job that nobody has asked to end? */
  sibling(namespace: string, jobId: JobId): boolean;
}

/** A pod that waits behind Nerve's gate. */
export interface GatedPod {
  readonly namespace: string;
  readonly name: string;
  /** Where among its gates Nerve's stands. */
  readonly gateIndex: number;
  /** The job that the worker takes it for; null: none, so the worker will never look at it. */
  readonly jobId: JobId | null;
  readonly createdAtMs: number;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Gates {
  /** Every pod of the cluster that has Nerve's gate, whatever its labels are. */
  gated(): Promise<readonly GatedPod[]>;
  /** `changed`: its gates are others than were seen, so list again. A pod that is gone counts as `opened`. */
  open(pod: GatedPod): Promise<'opened' | 'changed'>;
}

export interface WorkerBeats {
  /** Every worker pod, read fresh; never from a cache. */
  read(): Promise<readonly WorkerBeat[]>;
  /** Marks every worker pod, so that nothing new is gated. */
  markDraining(): Promise<void>;
}

// --- the agent's side ---

export interface InstanceMetadata {
  /** `spot/instance-action`, or null (404). Its instants are real. */
  interruption(): Promise<{ readonly action: NodeNotice['action']; readonly endsAtRealMs: number } | null>;
  /** `events/recommendations/rebalance`, or null. */
  rebalance(): Promise<{ readonly noticeRealMs: number } | null>;
}

export interface HookTarget {
  /** Address of the pod; absent: this machine. */
  readonly host?: string;
  readonly port: number;
  readonly token: string;
}

/** An attempt on this agent's node. */
export interface HostedAttempt {
  readonly name: string;
  readonly jobId: JobId;
  readonly attempt: number;
  readonly hook: HookTarget | null;
  readonly stopRequest: StopRequest | null;
  /** What `nerve drill` wrote, a nonce; absent: nothing. */
  readonly drill?: string | null;
  /** Nonce of the newest drill that was answered. */
  readonly drilled?: string | null;
  readonly ended: boolean;
}

/** How a drill went; times are real. */
export interface DrillResult {
  readonly nonce: string;
  readonly sealed: { readonly id: string; readonly step: number; readonly bytes: number; readonly tookMs: number } | null;
  readonly error: string | null;
}

export interface AttemptAnnotations {
  readonly progress?: ObservedProgress;
  readonly resumed?: NonNullable<ObservedAttempt['resumed']>;
  readonly lastCheckpoint?: CheckpointInfo;
  readonly drillResult?: DrillResult;
}

/** The agent's node: what runs there and what may be written about it. `not-found` once the node is gone; an attempt that is gone is no error. */
export interface NodeHost {
  hosted(): Promise<readonly HostedAttempt[]>;
  /** What is written on the node object now. */
  marks(): Promise<{ readonly interruption: NodeNotice | null; readonly rebalanceAtMs: number | null; readonly cordonedBy: string | null }>;
  annotateNode(marks: { readonly interruption?: NodeNotice | null; readonly rebalanceAtMs?: number | null }): Promise<void>;
  cordon(): Promise<void>;
  uncordon(): Promise<void>;
  annotateAttempt(name: string, annotations: AttemptAnnotations): Promise<void>;
}

export type HookReason = 'interruption' | 'move' | 'pause' | 'periodic' | 'rebalance' | 'drill';

export interface HookProgress {
  readonly step: number;
  readonly totalSteps: number | null;
  readonly stepsPerSecond: number | null;
  /** `ageSeconds`: real seconds since it happened, so that no clocks have to agree. */
  readonly resumed: { readonly step: number; readonly epoch: number; readonly checkpointId: string | null; readonly ageSeconds: number } | null;
  readonly lastCheckpoint: {
    readonly id: string;
    readonly step: number;
    readonly bytes: number;
    readonly durationMs: number;
    readonly final: boolean;
    readonly ageSeconds: number;
  } | null;
}

/** The checkpoint contract's two calls (DESIGN section 4). Times on the wire are real. */
export interface Hooks {
  checkpoint(
    target: HookTarget,
    ask: { readonly reason: HookReason; readonly deadlineRealMs: number | null },
  ): Promise<{ readonly id: string; readonly step: number; readonly bytes: number; readonly durationMs: number }>;
  progress(target: HookTarget): Promise<HookProgress>;
}

/** What is counted. Neither method throws: a count is never worth a job. */
export interface Metrics {
  /** These events were appended after `before`, and by this process. */
  appended(before: JobRecord, events: readonly JobEvent[]): void;
  refused(what: Refusal): void;
}

export interface Log {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

// --- the command line's side of a cluster: what kubectl could do with the same kubeconfig, and no more ---

/** What the command line creates: whole objects as the user wrote them, with Nerve's marks. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: 'Pod' | 'Job';
  readonly metadata: ObjectMeta;
  readonly spec: unknown;
}

export interface Created {
  readonly object: Manifest;
  /** `Warning` headers of the answer: the API server's own and those of admission webhooks. */
  readonly warnings: readonly string[];
}

/** One namespace of one context. */
export interface UserCluster {
  readonly context: string;
  readonly namespace: string;
  create(object: Manifest, options: { readonly dryRun: boolean }): Promise<Created>;
  /** `selector` is a label selector. */
  pods(selector: string): Promise<readonly Pod[]>;
  /** Shows `see` the pods now and after every change, until it answers something but null (that is the result) or the time is up (null). */
  until<T>(selector: string, see: (pods: readonly Pod[]) => T | null, timeoutRealMs: number): Promise<T | null>;
  annotate(pod: string, annotations: Readonly<Record<string, string>>): Promise<void>;
  /** Takes the gate of that name away; one that is gone already is success. */
  openGate(pod: string, gate: string): Promise<void>;
  /** Prints what a pod's first container wrote, and with `follow` what it writes until it ends. */
  logs(pod: string, options: { readonly follow: boolean }, print: (text: string) => void): Promise<void>;
  /** Any read, by path, for the doctor. */
  get(path: string): Promise<unknown>;
  /** May this user do that here? Asked of the API server itself. */
  may(verb: string, resource: string, group?: string): Promise<boolean>;
}

/** The seal log of one job, to look at: `file:///folder` or `s3://bucket/prefix` (docs/checkpoint-contract.md). */
export interface SealLog {
  /** Numbers of the entries, ascending. */
  numbers(): Promise<readonly number[]>;
  /** Text of an entry; null if it went. */
  entry(number: number): Promise<string | null>;
  /** Creates something under the URI, tries to create it again, reads it and takes it away: `no-fence` if the second creation was not refused. */
  tryOut(): Promise<'ok' | 'no-fence'>;
}
