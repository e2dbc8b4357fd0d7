// What the simulated cloud answers over its unix socket: POST /v1/<method> with one JSON object, answered by one JSON value. One
// interface for server and client, so that they cannot drift apart.

import type { JobId, JobSpec } from '../../engine/job.ts';
import type { StopRequest } from '../../engine/record.ts';
import type { NodeNotice, ObservedAttempt } from '../../engine/snapshot.ts';
import type { AttemptAnnotations, LaunchAsk } from '../../ports.ts';
import type { ProcessIdentity } from '../process/identity.ts';
import type { Weather } from './weather.ts';

/** An attempt as its node sees it: what to start, and with what. */
export interface AssignedAttempt {
  readonly seen: ObservedAttempt;
  readonly spec: JobSpec;
  readonly handover: LaunchAsk['handover'];
  readonly hook: { readonly port: number; readonly token: string };
  /** Leader of the attempt's process group; null before it was started. */
  readonly process: ProcessIdentity | null;
}

export interface NodeMarks {
  readonly interruption?: NodeNotice | null;
  readonly rebalanceAtMs?: number | null;
  readonly cordonedBy?: string | null;
}

/** `notice`: two minutes' notice, as the cloud gives it. `vanish`: the machine dies without a word. `drought`: that, and no spot anywhere from now on. */
export type Disturbance = 'notice' | 'rebalance' | 'vanish' | 'drought';

export interface CloudApi {
  // the worker's side
  attempts(ask: { readonly jobId?: JobId }): Promise<readonly ObservedAttempt[]>;
  launch(ask: LaunchAsk): Promise<ObservedAttempt>;
  requestStop(ask: { readonly name: string; readonly request: StopRequest }): Promise<null>;
  remove(ask: { readonly name: string }): Promise<null>;
  forget(ask: { readonly jobId: JobId }): Promise<null>;
  /** Answers when something changed after version `since`, or after ten seconds without a change. */
  changes(ask: { readonly since: number }): Promise<{ readonly version: number; readonly jobIds: readonly JobId[] }>;
  // the node's side
  node(ask: { readonly node: string }): Promise<{ readonly marks: Required<NodeMarks>; readonly attempts: readonly AssignedAttempt[] }>;
  markNode(ask: { readonly node: string; readonly marks: NodeMarks }): Promise<null>;
  annotateAttempt(ask: { readonly name: string; readonly annotations: AttemptAnnotations }): Promise<null>;
  started(ask: { readonly name: string; readonly process: ProcessIdentity }): Promise<null>;
  ended(ask: { readonly name: string; readonly exitCode: number | null; readonly logTail: string | null }): Promise<null>;
  /** The simulated market's parameters: prices and capacity follow from them and the clock. */
  weather(ask: Record<string, never>): Promise<Weather>;
  // the experimenter's side
  disturb(ask: { readonly jobId: JobId; readonly kind: Disturbance }): Promise<{ readonly node: string }>;
  shutDown(ask: Record<string, never>): Promise<null>;
}
