// A cluster's jobs in words: what `status`, `list`, `explain` and `submit` say of what stands on the pods.

import { reasonText } from '../engine/explain.ts';
import { exitCodeWords } from './end-words.ts';
import { count, grams, table, usd } from './figures.ts';
import type { PodAttempt, PodJob, PodPlan } from './pod-job.ts';
import { nameCell, plain } from './plain.ts';
import { localZone, short, span, written } from './when.ts';

/** On one line and without what commands a terminal: whoever may patch the pod wrote parts of it. */
export const podSentence = (job: PodJob, nowMs: number): string => plain(sentenceOf(job, nowMs));

function sentenceOf(job: PodJob, nowMs: number): string {
  const { phase, plan, deadlineMs, endedAtMs } = job;
  const zone = localZone();
  const at = endedAtMs === null ? '' : ` at ${short(endedAtMs, nowMs, zone)}`;
  if (phase === 'succeeded' && endedAtMs !== null && deadlineMs !== null)
    return endedAtMs > deadlineMs
      ? `succeeded${at}, ${span(endedAtMs - deadlineMs)} after its deadline`
      : `succeeded${at}, ${span(deadlineMs - endedAtMs)} before its deadline`;
  if (phase === 'succeeded' || phase === 'failed' || phase === 'cancelled') return `${phase}${at}`;
  const unheard = job.acknowledged ? '' : '; Nerve has not said anything about it yet';
  const place = plan === null || plan.zone === null ? '' : ` on ${plan.capacityType ?? ''} ${plan.instanceType ?? ''} in ${plan.zone}`;
  if (job.cancelRequested) return `being cancelled${unheard}`;
  const waits = phase === 'starting' ? (job.attempts.at(-1)?.waits?.reason ?? null) : null;
  if (phase !== 'held') return `${phase}${place}${waits === null ? '' : `: ${waits}`}${job.silent ? '; it reports no progress' : ''}${unheard}`;
  if (job.reason === 'user-paused') return `held: paused by you${latest(plan, nowMs)}`;
  const { startMs = null } = plan ?? {};
  if (startMs !== null) return `held until about ${short(startMs, nowMs, zone)}`;
  return `held${latest(plan, nowMs)}${unheard}`;
}

function latest(plan: PodPlan | null, nowMs: number): string {
  const { latestStartMs = null } = plan ?? {};
  return latestStartMs === null ? '' : `; latest start ${short(latestStartMs, nowMs, localZone())}`;
}

export function podPlanSentence(plan: PodPlan, nowMs: number): string {
  const zone = localZone();
  const at = plan.startMs === null || plan.startMs <= nowMs ? 'now' : `at about ${short(plan.startMs, nowMs, zone)}`;
  const place = plan.zone === null ? 'in no place yet' : `on ${plan.capacityType ?? ''} ${plan.instanceType ?? ''} in ${plan.zone}`;
  if (plan.zone === null && plan.expectedCostUsd === null)
    return plain(`plan: nothing that it may take is on offer now at a price that it may pay; it is held until something is${latest(plan, nowMs)}`);
  const now = plan.costNowUsd === null ? '' : ` instead of ${usd(plan.costNowUsd)} when started now`;
  return plain(`plan: start ${at} ${place}, about ${usd(plan.expectedCostUsd)}${now} and ${grams(plan.expectedCarbonGrams)}${latest(plan, nowMs)}`);
}

export function podLines(job: PodJob, nowMs: number): readonly string[] {
  const zone = localZone();
  const { deadlineMs, progress, lastCheckpoint: seal } = job;
  const out = [`${job.jobId}  ${plain(job.name)}  ${podSentence(job, nowMs)}`];
  if (deadlineMs !== null) out.push(`deadline   ${written(deadlineMs, zone)}${deadlineMs > nowMs ? `, in ${span(deadlineMs - nowMs)}` : ''}`);
  if (progress !== null) out.push(`progress   step ${progress.step}${progress.totalSteps === null ? '' : ` of ${progress.totalSteps}`}`);
  if (seal !== null) out.push(`checkpoint step ${seal.step}${seal.sealedAtMs === null ? '' : `, sealed ${short(seal.sealedAtMs, nowMs, zone)}`}`);
  for (const a of job.attempts) {
    const state = `${a.gated ? 'held at its gate' : a.phase.toLowerCase()}${a.node === null ? '' : ` on ${a.node}`}`;
    out.push(plain(`pod ${a.pod}  ${state}${a.exitCode === null ? '' : `, ${exitCodeWords(a.exitCode)}`}${waitWords(a.waits)}`));
  }
  if (job.moves > 0) out.push(`moved      ${count(job.moves, 'time')}`);
  if (job.costUsd !== null) out.push(`cost       ${usd(job.costUsd)} for the attempts that have ended`);
  return out;
}

/** A scheduler's message names every node pool: its beginning says enough. */
const MESSAGE_LIMIT = 300;

function waitWords(waits: PodAttempt['waits']): string {
  if (waits === null) return '';
  const { reason, message } = waits;
  if (message === null) return `: ${reason}`;
  return `: ${reason} (${message.length > MESSAGE_LIMIT ? `${message.slice(0, MESSAGE_LIMIT)}...` : message})`;
}

export function podTable(jobs: readonly PodJob[], nowMs: number): string {
  if (jobs.length === 0) return 'No jobs in this namespace. Submit one: nerve submit --deadline +6h --duration 2h --image IMAGE -- python train.py';
  const rows = jobs.map((j) => [
    j.jobId,
    nameCell(j.name),
    j.deadlineMs === null ? '-' : short(j.deadlineMs, nowMs, localZone()),
    podSentence(j, nowMs),
  ]);
  return table([['JOB', 'NAME', 'DEADLINE', 'STATE'], ...rows]);
}

export function podExplanation(
  job: PodJob,
  nowMs: number,
): { readonly sentence: string; readonly numbers: readonly { readonly name: string; readonly value: string }[] } {
  const zone = localZone();
  const { startMs = null, latestStartMs = null, costNowUsd = null, expectedCostUsd = null, zone: place = null } = job.plan ?? {};
  const known = job.reason === null ? null : reasonText(job.reason);
  const numbers = [
    ['deadline', job.deadlineMs === null ? null : short(job.deadlineMs, nowMs, zone)],
    ['latest start (on demand)', latestStartMs === null ? null : short(latestStartMs, nowMs, zone)],
    ['planned start', startMs === null ? null : `${short(startMs, nowMs, zone)} for ${usd(expectedCostUsd)} in ${place ?? 'any zone'}`],
    ['starting now', costNowUsd === null ? null : usd(costNowUsd)],
    ['does not run yet', waitWords(job.attempts.at(-1)?.waits ?? null).slice(2) || null],
    ['progress', job.silent ? 'it reports none' : null],
    ['moves so far', String(job.moves)],
  ] as const;
  return {
    sentence: known ?? (job.acknowledged ? plain(`It is ${job.phase}.`) : 'Nerve has not said anything about it yet.'),
    numbers: numbers.flatMap(([name, value]) => (value === null ? [] : [{ name, value: plain(value) }])),
  };
}
