// The ledger: folds a record into money, carbon and what was survived, against one stated counterfactual: start at once,
// on demand, uninterrupted. Nothing here is estimated that an event does not carry; a loss shows as a negative saving.

import { carbonGrams, costUsd } from './energy.ts';
import { fold } from './fold.ts';
import type { CapacityType, JobId } from './job.ts';
import { limitBreaks, PROMISED_LIMIT } from './moves.ts';
import type { EndCause, FinishResult, JobEvent, JobRecord } from './record.ts';
import type { Reason } from './reasons.ts';
import type { JobState } from './state.ts';

/** One attempt's line of the ledger. */
export interface AttemptLine {
  readonly attempt: number;
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  readonly cause: EndCause | null;
  readonly reason: Reason;
  /** Null: not known, or not ended. Absent from reports that an older version kept. */
  readonly exitCode?: number | null;
  readonly costUsd: number;
  readonly carbonGrams: number;
  readonly lostWorkMs: number;
}

/** The end of a job in one value: status, CLI, TUI, dashboard, metrics and --json are views of it. Folded from events, nothing else. */
export interface JobReport {
  readonly jobId: JobId;
  readonly name: string;
  /** Null while the job lives: the figures are then those of ended attempts. */
  readonly result: FinishResult | null;
  readonly submittedAtMs: number;
  readonly deadlineMs: number;
  readonly finishedAtMs: number | null;
  readonly deadlineMet: boolean;
  readonly heldMs: number;
  readonly usefulWorkMs: number;
  readonly lostWorkMs: number;
  readonly attempts: readonly AttemptLine[];
  readonly interruptions: number;
  readonly moves: number;
  /** Moves beyond two in an hour; only ever made once the latest start had passed and the last zone had nothing. */
  readonly moveLimitBreaks: number;
  /** Zones of the attempts that ran, in order, consecutive repeats folded. */
  readonly zones: readonly string[];
  readonly costUsd: number;
  readonly spotCostUsd: number;
  readonly onDemandFallbackCostUsd: number;
  /** The counterfactual; 0 when the job computed nothing. */
  readonly onDemandCostUsd: number;
  /** Can be negative: a bad month shows. */
  readonly savingUsd: number;
  readonly carbonGrams: number;
  readonly carbonGramsStartNow: number;
  readonly carbonSavedGrams: number;
  /** Step sealed on the last interruption that was followed by a resume, and the step resumed at. */
  readonly checkpointStep: number | null;
  readonly resumedStep: number | null;
  /** Parts that were simulated, e.g. prices, availability, carbon. */
  readonly simulated: readonly string[];
}

export function report(record: JobRecord): JobReport {
  const state = fold(record);
  const attempts = state.attempts.map((a) => lineOf(record.events, a.attempt, state));
  const finished = record.events.find((e) => e.type === 'finished');
  const submitted = record.events[0];
  const counterfactual = finished?.type === 'finished' ? finished.counterfactual : null;
  const total = sum(attempts, (a) => a.costUsd);
  const grams = sum(attempts, (a) => a.carbonGrams);
  const onDemandCostUsd = counterfactual === null ? 0 : costUsd(counterfactual.usage);
  const carbonStartNow = counterfactual === null ? 0 : carbonGrams(counterfactual.usage);
  const ran = state.attempts.filter((a) => a.resumed !== null);
  return {
    jobId: record.jobId,
    name: state.spec.name,
    result: state.finished?.result ?? null,
    submittedAtMs: state.spec.submittedAtMs,
    deadlineMs: state.deadlineMs,
    finishedAtMs: state.finished?.atMs ?? null,
    deadlineMet: state.finished?.result === 'succeeded' && !state.finished.late,
    heldMs: heldMs(state),
    usefulWorkMs: finished?.type === 'finished' ? finished.usefulWorkMs : 0,
    lostWorkMs: sum(attempts, (a) => a.lostWorkMs),
    attempts,
    interruptions: state.attempts.filter((a) => a.ended?.cause === 'interrupted').length,
    moves: state.moves.length,
    moveLimitBreaks: limitBreaks(state.moves, PROMISED_LIMIT),
    zones: ran.map((a) => a.zone).filter((zone, index, all) => zone !== all[index - 1]),
    costUsd: total,
    spotCostUsd: sum(attempts, (a) => (a.capacityType === 'spot' ? a.costUsd : 0)),
    onDemandFallbackCostUsd: sum(attempts, (a) => (a.capacityType === 'on-demand' ? a.costUsd : 0)),
    onDemandCostUsd,
    savingUsd: onDemandCostUsd - total,
    carbonGrams: grams,
    carbonGramsStartNow: carbonStartNow,
    carbonSavedGrams: carbonStartNow - grams,
    ...lastHandover(record.events),
    simulated: submitted?.type === 'submitted' ? submitted.simulated : [],
  };
}

function lineOf(events: readonly JobEvent[], attempt: number, state: JobState): AttemptLine {
  const known = state.attempts.find((a) => a.attempt === attempt);
  const ended = events.find((e) => e.type === 'ended' && e.attempt === attempt);
  const usage = ended?.type === 'ended' ? ended.usage : [];
  return {
    attempt,
    zone: known?.zone ?? '',
    instanceType: known?.instanceType ?? '',
    capacityType: known?.capacityType ?? 'spot',
    startedAtMs: known?.launchedAtMs ?? 0,
    endedAtMs: known?.ended?.atMs ?? null,
    cause: known?.ended?.cause ?? null,
    reason: known?.ended?.reason ?? known?.reason ?? 'running',
    exitCode: known?.ended?.exitCode ?? null,
    costUsd: costUsd(usage),
    carbonGrams: carbonGrams(usage),
    lostWorkMs: known?.ended?.lostWorkMs ?? 0,
  };
}

/** Time without any open attempt before the end. */
function heldMs(state: JobState): number {
  let held = 0;
  let freeSinceMs = state.spec.submittedAtMs;
  for (const a of state.attempts) {
    held += Math.max(0, a.launchedAtMs - freeSinceMs);
    freeSinceMs = Math.max(freeSinceMs, a.ended?.atMs ?? Number.POSITIVE_INFINITY);
  }
  return state.attempts.length === 0 ? Math.max(0, state.lastEventAtMs - freeSinceMs) : held;
}

function lastHandover(events: readonly JobEvent[]): { checkpointStep: number | null; resumedStep: number | null } {
  const seal = events.findLast((e) => e.type === 'checkpointed' && events.some((r) => r.type === 'resumed' && r.attempt > e.attempt));
  if (seal?.type !== 'checkpointed') return { checkpointStep: null, resumedStep: null };
  const resumed = events.find((e) => e.type === 'resumed' && e.attempt > seal.attempt);
  return { checkpointStep: seal.checkpoint.step, resumedStep: resumed?.type === 'resumed' ? resumed.step : null };
}

export interface Totals {
  readonly jobs: number;
  readonly succeeded: number;
  readonly late: number;
  readonly interruptions: number;
  readonly costUsd: number;
  readonly onDemandCostUsd: number;
  readonly savingUsd: number;
  readonly carbonGrams: number;
  readonly carbonSavedGrams: number;
  readonly lostWorkMs: number;
}

/** Sums over finished jobs. */
export function totals(reports: readonly JobReport[]): Totals {
  return {
    jobs: reports.length,
    succeeded: reports.filter((r) => r.result === 'succeeded').length,
    late: reports.filter((r) => r.result === 'succeeded' && !r.deadlineMet).length,
    interruptions: sum(reports, (r) => r.interruptions),
    costUsd: sum(reports, (r) => r.costUsd),
    onDemandCostUsd: sum(reports, (r) => r.onDemandCostUsd),
    savingUsd: sum(reports, (r) => r.savingUsd),
    carbonGrams: sum(reports, (r) => r.carbonGrams),
    carbonSavedGrams: sum(reports, (r) => r.carbonSavedGrams),
    lostWorkMs: sum(reports, (r) => r.lostWorkMs),
  };
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
