// Intake in a cluster, beside the worker's loops: a job that stands on a pod and has no record gets one (also after Redis was wiped), asks of
// users become events, and a job whose last pod somebody deleted before it ever started is cancelled. Level-triggered: a whole pass compares all
// pods with what is known, every few seconds; between two of them only what the watch told is looked at. As long as passes succeed the beat goes on: it
// is what tells the webhook and the watchdog that Nerve is alive.

import { NerveError } from '../engine/errors.ts';
import { fold, openAttempts } from '../engine/fold.ts';
import type { JobId, Optimize } from '../engine/job.ts';
import { CARBON_PRICE_USD_PER_TONNE } from '../engine/objective.ts';
import { keptPod } from '../engine/pod/attempt.ts';
import { POD } from '../engine/pod/names.ts';
import { isGated } from '../engine/pod/observe.ts';
import { annotation } from '../engine/pod/read.ts';
import { lostAttempts } from '../engine/pod/rebuild.ts';
import { requestEvent } from '../engine/pod/request.ts';
import { jobNameOf, specFromPod } from '../engine/pod/spec.ts';
import { goesOn, heldLatestStart, statusAnnotations } from '../engine/pod/status.ts';
import type { JobEvent } from '../engine/record.ts';
import { latestStartMs } from '../engine/slack.ts';
import type { EngineSettings } from '../engine/snapshot.ts';
import type { JobState } from '../engine/state.ts';
import type { Arrival, Arrivals, SpecVault } from '../ports.ts';
import { createHeart, type PassOutcome } from './beat.ts';
import type { WorkerPorts } from './handle.ts';

export interface AdoptPorts extends WorkerPorts {
  readonly arrivals: Arrivals;
  readonly vault: SpecVault;
  readonly medianDurationMs: (name: string) => Promise<{ readonly medianMs: number } | null>;
  /** Patches the counter on the worker's own pod; null where there is no such pod. */
  readonly beat: (() => Promise<void>) | null;
}

export interface AdoptOptions {
  readonly settings: EngineSettings;
  readonly periodRealMs: number;
  readonly beatRealMs: number;
  /** Without Redis nothing is released or moved; the beat goes on for this long, unless a held job must start within it. */
  readonly redisGraceMs: number;
  /** Where the worker may create pods; null: everywhere. */
  readonly jobNamespaces: readonly string[] | null;
  readonly defaults: { readonly optimize: Optimize; readonly retries: number; readonly instanceTypes: readonly string[] };
}

/** A pod of a Job comes back after the controller's back-off, which is at most six minutes. */
const JOB_GONE_MS = 15 * 60_000;
const POD_GONE_MS = 10_000;
const MAX_CONFLICTS = 20;
const TAKEN_ABREAST = 8;

interface Afterwards {
  /** Its user cancelled it, and its Job has made another pod nevertheless. Else somebody goes on without Nerve, which must not hold what it does not plan. */
  readonly stays: boolean;
  readonly status: Readonly<Record<string, string | null>>;
}

const afterwardsOf = (state: JobState): Afterwards | null =>
  state.finished === null ? null : { stays: !goesOn(state), status: statusAnnotations(state) };

export interface Adoption {
  run(signal: AbortSignal): Promise<void>;
  /** After each look at a job: what its pod says is brought up to date. */
  readonly looked: (jobId: JobId, state: JobState | null) => void;
}

export function createAdoption(ports: AdoptPorts, options: AdoptOptions): Adoption {
  const { records, alarms, arrivals, vault, clock, log, leadership } = ports;
  /** Records that are not finished, as a whole pass found them, and those taken since. */
  let live = new Set<JobId>();
  /** Jobs that stand on pods still, and whose record has finished: what becomes of a pod of theirs that is gated. */
  const ended = new Map<JobId, Afterwards>();
  const answered = new Map<JobId, string>();
  const missingSince = new Map<JobId, number>();
  const { beatRealMs, redisGraceMs } = options;
  const heart = ports.beat === null ? null : createHeart(clock, ports.beat, { beatRealMs, graceRealMs: redisGraceMs });

  /** False: there is no such record. */
  const append = async (jobId: JobId, make: (state: JobState) => JobEvent | null): Promise<boolean> => {
    for (let round = 0; round < MAX_CONFLICTS; round++) {
      const record = await records.read(jobId);
      if (record === null) return false;
      const state = fold(record);
      const event = state.finished === null ? make(state) : null;
      if (event === null) return true;
      if ((await records.append(jobId, record.version, [event])) === 'conflict') continue;
      await alarms.wake(jobId);
      return true;
    }
    throw new NerveError('retryable', `The record of job ${jobId} changes all the time.`);
  };

  const adopt = async ({ jobId }: Arrival): Promise<void> => {
    const pod = await arrivals.whole(jobId);
    if (pod === null) return;
    const view = await ports.market.view();
    const types = [...new Set(view.offerings.map((offering) => offering.instanceType))];
    const { defaults, settings } = options;
    const adopted = specFromPod(pod, {
      nowMs: clock.nowMs(),
      knownTypes: types.length > 0 ? types : defaults.instanceTypes,
      defaults,
      carbonPriceUsdPerTonne: CARBON_PRICE_USD_PER_TONNE,
      jobNamespaces: options.jobNamespaces,
      medianMs: (await ports.medianDurationMs(jobNameOf(pod)))?.medianMs ?? null,
    });
    if (adopted === null) return;
    const { spec, atOnce, warnings } = adopted;
    // Before the record: a record without a kept pod could not be started twice.
    if (spec.program.kind === 'pod' && spec.program.owner === 'none') await vault.keep(jobId, keptPod(pod));
    const atMs = clock.nowMs();
    const submitted = { type: 'submitted' as const, atMs, spec, latestStartMs: atMs, simulated: view.simulated };
    const latestMs = latestStartMs(fold({ jobId, version: 1, events: [submitted] }), settings);
    // A pod that was never let start is told as such; where an attempt is known, a later one may not be told yet.
    const told = await ports.cluster.attemptsOf(jobId, undefined, []);
    const attempts = told.length === 0 ? told : await ports.cluster.attemptsOf(jobId);
    const events: JobEvent[] = [{ ...submitted, latestStartMs: latestMs }, ...lostAttempts(spec, attempts, latestMs, atMs)];
    // A release means at once at any price; who waits for spot is started at once where there is some.
    if (atOnce && spec.spotOnly !== true) events.push({ type: 'release-requested', atMs });
    if ((await records.append(jobId, 0, events)) === 'conflict') return;
    await alarms.arm(jobId, clock.nowMs());
    live.add(jobId);
    log.info({ jobId, pod: pod.metadata.name, namespace: pod.metadata.namespace, warnings }, 'adopted');
  };

  const answer = async ({ jobId, pod }: Arrival): Promise<void> => {
    const text = annotation(pod, POD.request);
    if (text === null || text === annotation(pod, POD.requestSeen) || answered.get(jobId) === text) return;
    let foreign = false;
    const recorded = await append(jobId, (state) => {
      const { program } = state.spec;
      foreign = program.kind !== 'pod' || program.namespace !== pod.metadata.namespace;
      return foreign ? null : requestEvent(text, state, Math.max(clock.nowMs(), state.lastEventAtMs));
    });
    if (!recorded) {
      // Redis was emptied since: the next pass takes the job in again, and the request with it.
      live.delete(jobId);
      return;
    }
    if (foreign) {
      ports.metrics?.refused('foreign-request');
      log.warn(
        { jobId, namespace: pod.metadata.namespace, pod: pod.metadata.name },
        'a pod of another namespace bears the label of this job: ignored',
      );
      return;
    }
    await arrivals.annotate(jobId, { [POD.requestSeen]: text });
    answered.set(jobId, text);
    log.info({ jobId, request: text }, 'a request of its user was taken');
  };

  /** Live records without a pod: deleted while they were held, by somebody else. */
  const missing = async (present: ReadonlySet<JobId>): Promise<void> => {
    for (const jobId of missingSince.keys()) if (present.has(jobId)) missingSince.delete(jobId);
    for (const jobId of await records.live()) {
      if (present.has(jobId)) continue;
      const sinceMs = missingSince.get(jobId) ?? clock.realNowMs();
      missingSince.set(jobId, sinceMs);
      const goneMs = clock.realNowMs() - sinceMs;
      if (goneMs < POD_GONE_MS) continue;
      await append(jobId, (state) => {
        const { program } = state.spec;
        if (program.kind !== 'pod' || openAttempts(state).length > 0 || state.cancelRequested) return null;
        const comesBack = program.owner === 'job' ? goneMs < JOB_GONE_MS : state.attempts.length > 0;
        return comesBack ? null : { type: 'cancel-requested', atMs: Math.max(clock.nowMs(), state.lastEventAtMs), gone: true };
      });
    }
  };

  const forgetOld = (present: ReadonlySet<JobId>): void => {
    for (const jobId of answered.keys()) if (!present.has(jobId)) answered.delete(jobId);
    for (const jobId of ended.keys()) if (!present.has(jobId)) ended.delete(jobId);
  };

  const take = async (arrival: Arrival): Promise<void> => {
    const { jobId } = arrival;
    // Most that are not live have finished: their record is read once, not at each pass.
    if (!live.has(jobId) && !ended.has(jobId)) {
      const record = await records.read(jobId);
      if (record === null) await adopt(arrival);
      else {
        const afterwards = afterwardsOf(fold(record));
        if (afterwards === null) live.add(jobId);
        else ended.set(jobId, afterwards);
      }
    }
    const over = ended.get(jobId);
    if (over === undefined) return answer(arrival);
    // Of the newest pod: a Job keeps its failed ones beside it.
    if (!isGated(arrival.pod)) return;
    if (over.stays) return arrivals.annotate(jobId, over.status);
    log.info(
      { jobId, namespace: arrival.pod.metadata.namespace, pod: arrival.pod.metadata.name },
      'its job has ended for Nerve and goes on for its owner: let start',
    );
    await arrivals.open(jobId, over.status);
  };

  /** Null: everything. */
  const pass = async (only: ReadonlySet<JobId> | null): Promise<void> => {
    const present = await arrivals.jobs(only ?? undefined);
    if (only === null) live = new Set(await records.live());
    heart?.answered();
    // One pod that cannot be taken must not keep the others waiting, nor a slow API server those that came at the same time.
    const left = present.values();
    const taker = async (): Promise<void> => {
      for (const arrival of left)
        await take(arrival).catch((error: unknown) => log.warn({ jobId: arrival.jobId, error: text(error) }, 'not adopted; trying again'));
    };
    await Promise.all(Array.from({ length: TAKEN_ABREAST }, taker));
    if (only !== null) return;
    const jobIds = new Set(present.map(({ jobId }) => jobId));
    await missing(jobIds);
    forgetOld(jobIds);
  };

  /** When held jobs must start, as their pods say: another worker may have planned them. */
  const heldStarts = async (): Promise<readonly number[]> => (await arrivals.jobs()).flatMap(({ pod, gated }) => heldLatestStart(pod, gated) ?? []);

  let wholeAtMs = Number.NEGATIVE_INFINITY;
  const attempted = async (news: ReadonlySet<JobId>): Promise<PassOutcome> => {
    const sinceMs = clock.realNowMs() - wholeAtMs;
    const whole = sinceMs < 0 || sinceMs >= options.periodRealMs;
    try {
      if ((await leadership.lead()) === null) {
        wholeAtMs = Number.NEGATIVE_INFINITY;
        return 'standby';
      }
      if (whole) wholeAtMs = clock.realNowMs();
      await pass(whole ? null : news);
      return 'passed';
    } catch (error) {
      wholeAtMs = Number.NEGATIVE_INFINITY;
      log.warn({ error: text(error) }, 'a pass over the pods failed; trying again');
      return 'hindered';
    }
  };

  return {
    looked: (jobId, state) => {
      if (state === null || state.spec.program.kind !== 'pod') return;
      arrivals.annotate(jobId, statusAnnotations(state)).catch((error: unknown) => {
        log.warn({ jobId, error: text(error) }, 'the state could not be written on the pod');
      });
    },
    run: async (signal) => {
      // A patient connection waits for Redis for ever: the pass that hangs goes on, and no second one begins beside it.
      let running: Promise<PassOutcome> | null = null;
      let news = new Set<JobId>();
      while (!signal.aborted) {
        if (running === null) {
          running = attempted(news);
          news = new Set();
        }
        const outcome = await Promise.race([running, clock.sleep(beatRealMs, signal).then(() => null)]);
        if (outcome !== null) running = null;
        if (signal.aborted) return;
        await heart
          ?.after(outcome ?? 'hindered', heldStarts)
          .catch((error: unknown) => log.warn({ error: text(error) }, 'the beat could not be written'));
        if (signal.aborted) return;
        const sinceMs = clock.realNowMs() - wholeAtMs;
        const waitMs = options.periodRealMs - (sinceMs >= 0 && sinceMs < options.periodRealMs ? sinceMs : 0);
        for (const jobId of await arrivals.next(waitMs, signal)) news.add(jobId);
      }
    },
  };
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
