// The training process, as the checkpoint contract (DESIGN section 4) describes it: waits for the handover, takes the epoch,
// loads the newest seal, computes, seals periodically and on request, is fenced by a higher epoch (exit 75), and treats SIGTERM
// as a last request. One step is one second of work. It never fails by chance: the plan says when it does.

import { NerveError } from '../../../src/engine/errors.ts';
import type { HookProgress, HookReason } from '../../../src/ports.ts';
import type { SealEntry, SealLog } from './seals.ts';
import type { SimTime } from './time.ts';

type Checkpoint = Extract<SealEntry, { type: 'checkpoint' }>;
export type TrainingState = 'waiting' | 'loading' | 'training' | 'saving' | 'idle' | 'exited';

export interface TrainingPlan {
  readonly attempt: number;
  readonly workMs: number;
  readonly checkpointMs: number;
  readonly everyMs: number;
  readonly loadMs: number;
  readonly handover: { readonly previousAttempt: number; readonly waitSealedUntilMs: number } | null;
  /** It fails by itself after computing this long; null = never. */
  readonly failsAfterMs: number | null;
  /** From being asked to stop to the next step boundary; it computes until then. */
  readonly boundaryMs: number;
  /** Without the SDK nothing listens; SIGTERM is the only request. */
  readonly hookless: boolean;
}

export interface Training {
  state(): TrainingState;
  checkpoint(reason: HookReason, deadlineMs: number | null): Promise<{ id: string; step: number; bytes: number; durationMs: number }>;
  progress(): HookProgress;
  sigterm(): void;
  sigkill(): void;
}

export interface TrainingEvents {
  /** It starts or stops computing: at most one attempt of a job may at any instant. */
  computing(on: boolean): void;
  exited(code: number): void;
}

const STEP_MS = 1000;
const BYTES = 1_000_000;
/** At most one forced save in that time. */
const FORCED_EVERY_MS = 30_000;

export function startTraining(time: SimTime, log: SealLog, plan: TrainingPlan, events: TrainingEvents): Training {
  let state: TrainingState = 'waiting';
  let epoch = 0;
  let baseStep = 0;
  let sinceMs = 0;
  let resumed: { step: number; epoch: number; checkpointId: string | null; atMs: number } | null = null;
  let last: { seal: Checkpoint; atMs: number } | null = null;
  let forcedAtMs = Number.NEGATIVE_INFINITY;
  let terminated = false;
  let stopping = false;
  const waiters: { done: (seal: Checkpoint) => void; lost: (error: Error) => void }[] = [];
  const totalSteps = Math.ceil(plan.workMs / STEP_MS);
  const stepNow = (): number => (state === 'training' ? Math.min(totalSteps, baseStep + Math.floor((time.nowMs() - sinceMs) / STEP_MS)) : baseStep);

  const stopComputing = (): void => {
    if (state !== 'training') return;
    baseStep = stepNow();
    events.computing(false);
  };
  const exit = (code: number): void => {
    if (state === 'exited') return;
    stopComputing();
    state = 'exited';
    for (const waiter of waiters.splice(0)) waiter.lost(refused('the process has ended'));
    events.exited(code);
  };
  const seal = (step: number, final: boolean): Checkpoint | null => {
    const made = log.seal(plan.attempt, epoch, step, final);
    if (made === null) exit(75);
    else last = { seal: made, atMs: time.nowMs() };
    return made;
  };
  const saveFinal = (): void => {
    if (state !== 'training' || stopping) return;
    stopping = true;
    time.at(time.nowMs() + plan.boundaryMs, saveAtBoundary);
  };
  const saveAtBoundary = (): void => {
    if (state !== 'training') return;
    stopComputing();
    state = 'saving';
    time.at(time.nowMs() + plan.checkpointMs, () => {
      if (state !== 'saving') return;
      const made = seal(baseStep, true);
      if (made === null) return;
      state = 'idle';
      for (const waiter of waiters.splice(0)) waiter.done(made);
      if (terminated) exit(75);
    });
  };
  const save = (sealed: () => void): void => {
    if (state !== 'training') return;
    const step = stepNow();
    time.at(time.nowMs() + plan.checkpointMs, () => {
      if (state !== 'training') return;
      const made = seal(step, false);
      if (made === null) return;
      if (!stopping) for (const waiter of waiters.splice(0)) waiter.done(made);
      sealed();
    });
  };
  const periodic = (): void => save(() => time.at(time.nowMs() + plan.everyMs, periodic));
  const compute = (): void => {
    if (state !== 'loading') return;
    state = 'training';
    sinceMs = time.nowMs();
    events.computing(true);
    if (plan.failsAfterMs !== null) time.at(time.nowMs() + plan.failsAfterMs, () => (state === 'training' ? exit(1) : undefined));
    time.at(time.nowMs() + plan.everyMs, periodic);
    time.at(time.nowMs() + Math.max(0, totalSteps - baseStep) * STEP_MS, () => {
      if (state !== 'training') return;
      if (seal(totalSteps, true) !== null) exit(0);
    });
  };
  const takeEpoch = (): void => {
    if (state !== 'waiting') return;
    const { handover, attempt } = plan;
    if (log.resumedAttempt() > attempt) {
      exit(75);
      return;
    }
    if (handover !== null && !log.finalOf(handover.previousAttempt) && time.nowMs() < handover.waitSealedUntilMs) {
      time.at(time.nowMs() + 1000, takeEpoch);
      return;
    }
    const taken = log.resume(attempt);
    if (taken === null) {
      exit(75);
      return;
    }
    epoch = taken;
    const from = log.newest();
    baseStep = from?.step ?? 0;
    resumed = { step: baseStep, epoch, checkpointId: from?.id ?? null, atMs: time.nowMs() };
    state = 'loading';
    time.at(time.nowMs() + plan.loadMs, compute);
  };
  time.at(time.nowMs(), takeEpoch);

  const ageSeconds = (atMs: number): number => (time.nowMs() - atMs) / 1000;
  return {
    state: () => state,
    checkpoint: (reason, deadlineMs) =>
      new Promise((resolve, reject) => {
        const final = reason === 'interruption' || reason === 'move' || reason === 'pause';
        const answer = (made: Checkpoint): void => resolve({ id: made.id, step: made.step, bytes: BYTES, durationMs: plan.checkpointMs });
        if (plan.hookless) {
          reject(refused('connection refused'));
          return;
        }
        if (state === 'idle' && last !== null) {
          answer(last.seal);
          return;
        }
        if (state !== 'training' && state !== 'saving') {
          reject(refused('nothing to checkpoint yet'));
          return;
        }
        if (!final && last !== null && time.nowMs() - forcedAtMs < FORCED_EVERY_MS) {
          answer(last.seal);
          return;
        }
        waiters.push({ done: answer, lost: reject });
        if (final) {
          if (deadlineMs !== null) time.at(deadlineMs, () => (state === 'idle' ? exit(75) : undefined));
          saveFinal();
        } else {
          save(() => {
            forcedAtMs = time.nowMs();
          });
        }
      }),
    progress: () => {
      if (state === 'exited' || plan.hookless) throw refused('the process has ended');
      return {
        step: stepNow(),
        totalSteps,
        stepsPerSecond: resumed === null ? null : 1000 / STEP_MS,
        resumed:
          resumed === null
            ? null
            : { step: resumed.step, epoch: resumed.epoch, checkpointId: resumed.checkpointId, ageSeconds: ageSeconds(resumed.atMs) },
        lastCheckpoint:
          last === null
            ? null
            : {
                id: last.seal.id,
                step: last.seal.step,
                bytes: BYTES,
                durationMs: plan.checkpointMs,
                final: last.seal.final,
                ageSeconds: ageSeconds(last.atMs),
              },
      };
    },
    sigterm: () => {
      terminated = true;
      if (state === 'training') saveFinal();
      else if (state === 'idle') exit(75);
      else if (state !== 'saving') exit(143);
    },
    sigkill: () => exit(137),
  };
}

const refused = (message: string): NerveError => new NerveError('unreachable', message);
