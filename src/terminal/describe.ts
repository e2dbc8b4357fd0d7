// One job as `status` shows it and prints it with --json.

import { report } from '../engine/report.ts';
import type { EndCause, JobRecord } from '../engine/record.ts';
import type { Reason } from '../engine/reasons.ts';
import { latestStartMs } from '../engine/slack.ts';
import type { ObservedAttempt } from '../engine/snapshot.ts';
import { shown } from '../engine/shown.ts';
import type { AttemptState, JobState } from '../engine/state.ts';
import type { Session } from '../wire.ts';
import { endWords } from './end-words.ts';
import { count, usd } from './figures.ts';
import { plain, plainLines } from './plain.ts';
import { stateSentence } from './sentences.ts';
import { localZone, short, span, written } from './when.ts';

export interface JobDescription {
  readonly target: string;
  readonly jobId: string;
  readonly name: string;
  readonly phase: string;
  readonly cancelRequested: boolean;
  readonly sentence: string;
  readonly reason: string | null;
  readonly deadlineMs: number;
  readonly latestStartMs: number;
  readonly progress: { readonly step: number; readonly totalSteps: number | null } | null;
  readonly lastCheckpoint: { readonly id: string; readonly step: number; readonly sealedAtMs: number } | null;
  readonly attempts: readonly {
    readonly attempt: number;
    readonly zone: string;
    readonly instanceType: string;
    readonly capacityType: string;
    readonly priceUsdPerHour: number | null;
    readonly end: EndCause | null;
    readonly endReason: Reason | null;
    /** Null: not known, or not ended. */
    readonly exitCode: number | null;
  }[];
  readonly interruptions: number;
  readonly moves: number;
  /** Of ended attempts. */
  readonly costUsd: number;
  readonly failures: number;
  readonly lastFailure: string | null;
  readonly lastFailureExitCode: number | null;
}

export function describe(record: JobRecord, state: JobState, seen: readonly ObservedAttempt[], { settings, clock, target }: Session): JobDescription {
  const ledger = report(record);
  const running = seen.find((a) => a.endedAtMs === null);
  const progress = running?.progress ?? state.lastProgress;
  const seal = running?.lastCheckpoint ?? state.lastCheckpoint;
  return {
    target,
    jobId: record.jobId,
    name: state.spec.name,
    phase: shown(state, seen, settings, clock.nowMs()).phase,
    cancelRequested: state.cancelRequested,
    sentence: stateSentence(state, seen, { settings, nowMs: clock.nowMs(), zone: localZone() }),
    reason: state.finished?.reason ?? state.heldReason ?? state.attempts.at(-1)?.reason ?? null,
    deadlineMs: state.deadlineMs,
    latestStartMs: latestStartMs(state, settings),
    progress: progress === null ? null : { step: progress.step, totalSteps: progress.totalSteps },
    lastCheckpoint: seal === null ? null : { id: seal.id, step: seal.step, sealedAtMs: seal.sealedAtMs },
    attempts: state.attempts.map(({ attempt, zone, instanceType, capacityType, priceUsdPerHour, ended }) => ({
      attempt,
      zone,
      instanceType,
      capacityType,
      priceUsdPerHour,
      end: ended?.cause ?? null,
      endReason: ended?.reason ?? null,
      exitCode: ended?.exitCode ?? null,
    })),
    interruptions: ledger.interruptions,
    moves: ledger.moves,
    costUsd: ledger.costUsd,
    failures: state.failures,
    lastFailure: lastFailure(state),
    lastFailureExitCode: failedAttempt(state)?.exitCode ?? null,
  };
}

export function lines(view: JobDescription, nowMs: number): readonly string[] {
  const zone = localZone();
  const out = [
    `${view.jobId}  ${plain(view.name)}  ${view.sentence}`,
    `deadline   ${written(view.deadlineMs, zone)}${view.deadlineMs > nowMs ? `, in ${span(view.deadlineMs - nowMs)}` : ''}`,
  ];
  if (view.progress !== null)
    out.push(`progress   step ${view.progress.step}${view.progress.totalSteps === null ? '' : ` of ${view.progress.totalSteps}`}`);
  if (view.lastCheckpoint !== null)
    out.push(`checkpoint step ${view.lastCheckpoint.step}, sealed ${short(view.lastCheckpoint.sealedAtMs, nowMs, zone)}`);
  for (const a of view.attempts)
    out.push(
      `attempt ${a.attempt}  ${a.capacityType} ${a.instanceType} in ${a.zone} at ${usd(a.priceUsdPerHour)}/h${a.end === null ? '' : `: ${endWords(a.end, a.endReason, a.exitCode)}`}`,
    );
  if (view.interruptions > 0) out.push(`survived   ${count(view.interruptions, 'interruption')}`);
  if (view.attempts.some((a) => a.end !== null)) out.push(`cost       ${usd(view.costUsd)} for the attempts that have ended`);
  return [...out, ...failureLines(view.lastFailure, view.lastFailureExitCode)];
}

/** What the newest attempt that failed by itself printed last; null if none did. */
export const lastFailure = (state: JobState): string | null => failedAttempt(state)?.logTail ?? null;

export const failedAttempt = (state: JobState): AttemptState['ended'] => state.attempts.findLast((a) => a.ended?.cause === 'failed')?.ended ?? null;

export function failureLines(tail: string | null, exitCode: number | null): readonly string[] {
  if (tail === null) return [];
  const printed = plainLines(tail);
  const which = `its last failure${exitCode === null ? '' : ` (exit code ${exitCode})`}`;
  if (printed.join('').trim() === '') return [`${which} printed nothing`];
  return [`${which} printed:`, ...printed.slice(-8).map((line) => `  | ${line}`)];
}
