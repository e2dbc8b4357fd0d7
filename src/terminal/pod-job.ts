// A job as its pods tell it: annotations that worker, agent and webhook wrote (docs/decisions/0009-the-cluster-wire.md). Pure. Values that
// cannot be read count as not there.

import { JOB_ID_LABEL, POD } from '../engine/pod/names.ts';
import { isGated } from '../engine/pod/observe.ts';
import { instant, object, text } from '../engine/pod/read.ts';
import { jobNameOf } from '../engine/pod/spec.ts';
import { runsInSilence, waitsFor, type Waits } from '../engine/pod/shown.ts';
import type { Pod } from '../engine/pod/types.ts';

export interface PodPlan {
  readonly startMs: number | null;
  readonly latestStartMs: number | null;
  readonly zone: string | null;
  readonly instanceType: string | null;
  readonly capacityType: string | null;
  readonly expectedCostUsd: number | null;
  readonly expectedCarbonGrams: number | null;
  readonly costNowUsd: number | null;
}

export interface PodAttempt {
  readonly pod: string;
  /** `nerve.io/attempt`; for pods of Jobs an instant, so only its order means something. */
  readonly attempt: number;
  readonly phase: string;
  readonly node: string | null;
  readonly gated: boolean;
  readonly exitCode: number | null;
  /** What keeps it from running. */
  readonly waits: Waits | null;
}

export interface PodJob {
  readonly jobId: string;
  /** Newest pod: where asks are written. */
  readonly pod: string;
  readonly name: string;
  readonly phase: string;
  /** Has the worker written anything about it? */
  readonly acknowledged: boolean;
  /** It runs, and no hook of it has ever answered. */
  readonly silent: boolean;
  /** Its user has asked for that, whether or not anybody has heard it yet. */
  readonly cancelRequested: boolean;
  readonly reason: string | null;
  readonly deadlineMs: number | null;
  readonly plan: PodPlan | null;
  readonly progress: { readonly step: number; readonly totalSteps: number | null } | null;
  readonly lastCheckpoint: { readonly id: string; readonly step: number; readonly bytes: number | null; readonly sealedAtMs: number | null } | null;
  readonly moves: number;
  readonly costUsd: number | null;
  readonly endedAtMs: number | null;
  readonly attempts: readonly PodAttempt[];
}

/** One job each, those that end first on top. */
export function jobsOf(pods: readonly Pod[], nowMs = Date.now()): readonly PodJob[] {
  const byJob = Map.groupBy(pods, (pod) => pod.metadata.labels?.[JOB_ID_LABEL] ?? '');
  byJob.delete('');
  const jobs = [...byJob.values()].flatMap((mine) => jobOf(mine, nowMs) ?? []);
  return jobs.sort((a, b) => Number(hasEnded(a.phase)) - Number(hasEnded(b.phase)) || (a.deadlineMs ?? Infinity) - (b.deadlineMs ?? Infinity));
}

/** All of them of one job. Null: no pods. */
export function jobOf(pods: readonly Pod[], nowMs = Date.now()): PodJob | null {
  const sorted = pods.toSorted((a, b) => attemptOf(b) - attemptOf(a) || createdMs(b) - createdMs(a));
  const newest = sorted[0];
  if (newest === undefined) return null;
  // A replacement that was just created carries little yet: what the one before says still holds.
  const read = (name: string): string | null => sorted.map((pod) => pod.metadata.annotations?.[name]).find((value) => value !== undefined) ?? null;
  const state = read(POD.state);
  const { metadata } = newest;
  const silent = runsInSilence(newest, state, nowMs);
  const phase = silent ? 'running' : (state ?? phaseOf(newest));
  const checkpoint = object(read(POD.lastCheckpoint));
  const progress = object(read(POD.progress));
  return {
    jobId: metadata.labels?.[JOB_ID_LABEL] ?? '',
    pod: metadata.name ?? '',
    name: jobNameOf(newest),
    phase,
    acknowledged: state !== null,
    silent,
    cancelRequested: !hasEnded(phase) && read(POD.request)?.startsWith('cancel#') === true,
    reason: read(POD.reason),
    deadlineMs: instant(read(POD.deadline)),
    plan: planOf(object(read(POD.plan))),
    progress: progress === null ? null : { step: number(progress['step']) ?? 0, totalSteps: number(progress['totalSteps']) },
    lastCheckpoint:
      checkpoint === null
        ? null
        : {
            id: text(checkpoint['id']) ?? '?',
            step: number(checkpoint['step']) ?? 0,
            bytes: number(checkpoint['bytes']),
            sealedAtMs: instantIn(checkpoint['sealedAt']),
          },
    moves: number(read(POD.moves)) ?? 0,
    costUsd: number(read(POD.costUsd)),
    endedAtMs: hasEnded(phase) ? endedMs(newest) : null,
    attempts: sorted.toReversed().map((pod) => ({
      pod: pod.metadata.name ?? '',
      attempt: attemptOf(pod),
      phase: pod.status?.phase ?? 'Pending',
      node: pod.spec.nodeName ?? null,
      gated: isGated(pod),
      exitCode: pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode ?? null,
      waits: waitsFor(pod),
    })),
  };
}

export const hasEnded = (phase: string): boolean => phase === 'succeeded' || phase === 'failed' || phase === 'cancelled';

/** Where the worker has said nothing. A failed pod is no failed job: there may be a retry. */
function phaseOf(pod: Pod): string {
  if (isGated(pod)) return 'held';
  const phase = pod.status?.phase;
  if (phase === 'Succeeded') return 'succeeded';
  return phase === 'Running' ? 'running' : 'starting';
}

function planOf(plan: Readonly<Record<string, unknown>> | null): PodPlan | null {
  if (plan === null) return null;
  return {
    startMs: instantIn(plan['start']),
    latestStartMs: instantIn(plan['latestStart']),
    zone: text(plan['zone']),
    instanceType: text(plan['instanceType']),
    capacityType: text(plan['capacityType']),
    expectedCostUsd: number(plan['expectedCostUsd']),
    expectedCarbonGrams: number(plan['expectedCarbonGrams']),
    costNowUsd: number(plan['costNowUsd']),
  };
}

const attemptOf = (pod: Pod): number => number(pod.metadata.annotations?.[POD.attempt] ?? null) ?? 0;

const createdMs = (pod: Pod): number => instant(pod.metadata.creationTimestamp) ?? 0;

function endedMs(pod: Pod): number | null {
  const ends = (pod.status?.containerStatuses ?? []).map(({ state }) => instant(state?.terminated?.finishedAt));
  return ends.reduce<number | null>((latest, at) => (at === null ? latest : Math.max(latest ?? at, at)), null);
}

/** Annotations are text; values inside JSON are not. */
function number(value: unknown): number | null {
  if (value === null || value === undefined || value === '') return null;
  const read = Number(value);
  return Number.isFinite(read) ? read : null;
}

const instantIn = (value: unknown): number | null => instant(text(value));
