// One look at one job: observe, reconcile, decide, act. Everything the worker does to a job happens here, whoever woke it.
//
// What if the process dies between two lines? Facts are appended before anything is decided on them. An act is carried out
// before it is recorded, and is idempotent by name, so that the next look finds it and records it (reconcile.ts). A
// record that somebody else wrote meanwhile makes this look start again from the beginning.
//
// Surprise: most looks find nothing to do, so the first one believes what the cluster's watch told last. It may be seconds old: facts it shows
// are true all the same, but before anything is done the look starts again on what is read fresh.

import type { Decision } from '../engine/decision.ts';
import { decide } from '../engine/decide.ts';
import { NerveError } from '../engine/errors.ts';
import { fold, openAttempts } from '../engine/fold.ts';
import type { JobId } from '../engine/job.ts';
import { withUsage } from '../engine/meter.ts';
import { reconcile } from '../engine/reconcile.ts';
import type { JobEvent, JobRecord } from '../engine/record.ts';
import { report } from '../engine/report.ts';
import type { EngineSettings } from '../engine/snapshot.ts';
import type { JobState } from '../engine/state.ts';
import { isLost, withoutOverdue } from '../engine/unheard.ts';
import type { Alarms, Clock, Cluster, Leadership, Log, Market, Metrics, Records } from '../ports.ts';

export interface WorkerPorts {
  readonly records: Records;
  readonly alarms: Alarms;
  readonly leadership: Leadership;
  readonly cluster: Cluster;
  readonly market: Market;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent where nobody reads it: on one machine. */
  readonly metrics?: Metrics;
}

/** How often a look starts again because somebody else wrote first, before it leaves the job to the next alarm. */
const MAX_CONFLICTS = 8;
/** A plan is written again when its start moved by more than this. */
const REPLAN_MS = 15 * 60_000;

export interface Look {
  /** When to look again; null: the job has finished and everything of it is put away. */
  readonly wakeAtMs: number | null;
  /** The job's state at the end of the look; null: there is no such record. */
  readonly state: JobState | null;
}

/** @throws NerveError whatever a port throws; the alarm then comes again with back-off. */
export async function look(ports: WorkerPorts, settings: EngineSettings, jobId: JobId): Promise<Look> {
  for (let round = 0; round < MAX_CONFLICTS; round++) {
    const result = await lookOnce(ports, settings, jobId, round === 0 ? 'seen' : 'fresh');
    if (result !== 'again') return result;
  }
  ports.log.warn({ jobId }, 'somebody else keeps writing this record; looking again later');
  return { wakeAtMs: ports.clock.nowMs() + settings.sweepMs, state: null };
}

async function lookOnce(ports: WorkerPorts, settings: EngineSettings, jobId: JobId, sight: 'seen' | 'fresh'): Promise<Look | 'again'> {
  const { records, cluster, market, clock, log } = ports;
  let record = await records.read(jobId);
  if (record === null) return { wakeAtMs: null, state: null };
  // The first look at a job nearly always does something.
  const believed = sight === 'seen' && record.events.length > 1;
  let state = fold(record);
  const open = believed ? openAttempts(state).map(({ attempt }) => attempt) : undefined;
  const attempts = withoutOverdue(await cluster.attemptsOf(jobId, namespaceOf(record), open), settings, clock.nowMs());
  const view = await market.view();
  const facts = await withUsage(record, reconcile(record, attempts, clock.nowMs()), attempts, view, settings, (ask) => market.meter(ask));
  if (facts.length > 0) {
    const after = await append(ports, record, facts);
    if (after === 'conflict') return 'again';
    record = after;
    state = fold(record);
    for (const fact of facts) log.info({ jobId, ...summary(fact) }, fact.type);
  }
  if (state.finished !== null) return { wakeAtMs: await putAway(ports, settings, record, { state, believed }), state };
  const decisions = decide({ nowMs: clock.nowMs(), market: view, jobs: [{ record, attempts }], settings });
  if (believed && decisions.some((decision) => decision.do !== 'keep' && decision.do !== 'hold')) return 'again';
  const acted = await actOn(ports, record, state, decisions);
  if (acted === 'conflict') return 'again';
  return { wakeAtMs: nextWake(decisions, clock.nowMs() + settings.sweepMs), state: acted.version === record.version ? state : fold(acted) };
}

/** Undefined on one machine, where there are none. */
function namespaceOf({ events }: JobRecord): string | undefined {
  const first = events[0];
  return first?.type === 'submitted' && first.spec.program.kind === 'pod' ? first.spec.program.namespace : undefined;
}

async function append({ records, metrics }: WorkerPorts, record: JobRecord, events: readonly JobEvent[]): Promise<JobRecord | 'conflict'> {
  const version = await records.append(record.jobId, record.version, events);
  if (version === 'conflict') return 'conflict';
  metrics?.appended(record, events);
  return { ...record, version, events: [...record.events, ...events] };
}

/** Carries decisions out in order; answers the record as it is afterwards. */
async function actOn(ports: WorkerPorts, before: JobRecord, state: JobState, decisions: readonly Decision[]): Promise<JobRecord | 'conflict'> {
  let record = before;
  for (const decision of decisions) {
    if (decision.do === 'keep' || (decision.do === 'hold' && !worthWriting(record, state, decision))) continue;
    // This process may have been paused since it read: what was decided on an old record is not done.
    if (decision.do !== 'hold' && !(await isNewest(ports, record))) return 'conflict';
    const events = await act(ports, state, decision);
    if (events.length === 0) continue;
    const after = await append(ports, record, events);
    if (after === 'conflict') return 'conflict';
    record = after;
    for (const event of events) ports.log.info({ jobId: record.jobId, ...summary(event) }, event.type);
  }
  return record;
}

async function isNewest({ records }: WorkerPorts, record: JobRecord): Promise<boolean> {
  return (await records.read(record.jobId))?.version === record.version;
}

/** Does it, then answers what to record. */
async function act({ cluster, clock, log }: WorkerPorts, state: JobState, decision: Exclude<Decision, { do: 'keep' }>): Promise<readonly JobEvent[]> {
  const name = 'attempt' in decision ? attemptName(decision.jobId, decision.attempt) : '';
  switch (decision.do) {
    case 'hold':
      return [{ type: 'planned', atMs: clock.nowMs(), why: decision.why, reason: decision.reason, plan: decision.plan }];
    case 'stop':
      try {
        await cluster.requestStop(name, decision.request);
      } catch (error) {
        if (!(error instanceof NerveError) || error.kind !== 'conflict') throw error;
        log.warn({ jobId: decision.jobId, attempt: decision.attempt, err: error }, 'it goes on where it is');
        return [];
      }
      return [{ type: 'stop-requested', atMs: clock.nowMs(), attempt: decision.attempt, request: decision.request, reason: decision.reason }];
    case 'remove':
      // Its end is a fact, and is recorded when it was seen.
      await cluster.remove(name, decision.reason === 'node-vanished');
      return [];
    case 'launch': {
      const { attempt, ranked, handover, reason, plan } = decision;
      const made = await cluster.launch({ name, spec: state.spec, attempt, ranked, handover });
      const { zone, instanceType, capacityType, priceUsdPerHour } = made;
      return [{ type: 'launched', atMs: clock.nowMs(), attempt, zone, instanceType, capacityType, priceUsdPerHour, reason, handover, plan }];
    }
  }
}

const attemptName = (jobId: JobId, attempt: number): string => `nerve-${jobId}-a${attempt}`;

/** Asked of the record, not of the phase: a job that is planned while its last attempt is still leaving is not held yet. */
function worthWriting(record: JobRecord, { plan }: JobState, hold: Extract<Decision, { do: 'hold' }>): boolean {
  const last = record.events.findLast((e) => e.type === 'planned' || e.type === 'launched');
  if (plan === null || last?.type !== 'planned' || last.reason !== hold.reason || last.why !== hold.why) return true;
  // A dry market's plan is "on demand at the latest start": it moves with the clock and says nothing new.
  if (hold.why !== 'window') return false;
  return Math.abs(plan.startMs - hold.plan.startMs) > REPLAN_MS || plan.zone !== hold.plan.zone;
}

/** Removes what is left of a finished job, then closes it; null when nothing is left. */
async function putAway(
  { cluster, records, clock }: WorkerPorts,
  settings: EngineSettings,
  record: JobRecord,
  { state, believed }: { readonly state: JobState; readonly believed: boolean },
): Promise<number | null> {
  // What a paused worker left behind unrecorded is a stray, and the sweep finds those. After a fresh look the watch may still tell older things.
  const known = believed ? state.attempts.map(({ attempt }) => attempt) : undefined;
  const shown = await cluster.attemptsOf(record.jobId, namespaceOf(record), known);
  for (const attempt of shown.filter((a) => a.endedAtMs === null)) {
    const lost = isLost(attempt, state.spec, settings, clock.nowMs());
    if (lost || attempt.deletionRequestedAtMs === null) await cluster.remove(attempt.name, lost);
  }
  const left = withoutOverdue(shown, settings, clock.nowMs()).some((a) => a.endedAtMs === null);
  if (left) return clock.nowMs() + settings.sweepMs;
  await cluster.forget(record.jobId, state);
  await records.close(record.jobId, report(record));
  return null;
}

function nextWake(decisions: readonly Decision[], otherwiseMs: number): number {
  return decisions.length === 0 ? otherwiseMs : Math.min(...decisions.map((d) => d.wakeAtMs));
}

/** What a log line says of an event; never its plan or its usage. */
function summary(event: JobEvent): Record<string, unknown> {
  const { type: _, ...rest } = event;
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => typeof value !== 'object'));
}
