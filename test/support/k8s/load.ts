// The load of level1-load.test.ts: which jobs come when, and how to judge what came of them. Everything is drawn from one seed.

import { limitBreaks } from '../../../src/engine/moves.ts';
import type { Ended, Start } from './trainings.ts';

export interface LoadJob {
  readonly name: string;
  /** `submit`: as `nerve submit` leaves a pod; `label`: a labelled pod, for the webhook. */
  readonly by: 'submit' | 'label';
  readonly atMs: number;
  readonly workSeconds: number;
  readonly slackSeconds: number;
}

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
export function chanceFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Half of them of each kind, arriving evenly; lengths of 1 to 4 min, slack of 0 to 100 % of the length. */
export function drawJobs(count: number, overMs: number, chance: () => number): readonly LoadJob[] {
  return Array.from({ length: count }, (_, index): LoadJob => {
    const workSeconds = Math.round(60 + 180 * chance());
    return {
      name: `load-${index}`,
      by: index % 2 === 0 ? 'submit' : 'label',
      atMs: (index * overMs) / count,
      workSeconds,
      slackSeconds: Math.round(workSeconds * chance()),
    };
  });
}

/** What befell a job past anybody's help. */
export interface Misfortune {
  /** Launches on demand that came to nothing. */
  readonly onDemandDry: number;
  /** On-demand machines that vanished under it. */
  readonly onDemandLost: number;
  /** How long the API server was away while the job lived. */
  readonly awayMs: number;
}

export interface Costs {
  /** An ask on demand that comes to nothing is given up after this. */
  readonly dryMs: number;
  /** A lost machine: what is not saved, and the next start. */
  readonly lostMs: number;
}

/** How late a job may be for what befell it; 0: it could have been on time. */
export const excuseMs = ({ onDemandDry, onDemandLost, awayMs }: Misfortune, { dryMs, lostMs }: Costs): number =>
  onDemandDry * dryMs + onDemandLost * lostMs + (awayMs > 0 ? awayMs + lostMs : 0);

export interface Late {
  readonly jobId: string;
  readonly lateSeconds: number;
  readonly excusedSeconds: number;
}

export function lateOnes(ended: readonly Ended[], excuseOf: (jobId: string) => number): readonly Late[] {
  return ended
    .filter(({ atMs, deadlineMs }) => atMs > deadlineMs)
    .map(({ jobId, atMs, deadlineMs }) => ({ jobId, lateSeconds: (atMs - deadlineMs) / 1000, excusedSeconds: excuseOf(jobId) / 1000 }));
}

/** Starts in another zone than the last start, beyond two in the window; as the pods ran, not as a record says. */
export function thirdMoves(starts: readonly Start[], zoneOf: (node: string) => string, moveWindowMs: number): number {
  const moves = starts.flatMap(({ node, atMs }, index) => {
    const before = starts[index - 1];
    return before === undefined || zoneOf(before.node) === zoneOf(node) ? [] : [{ atMs, zone: zoneOf(node) }];
  });
  return limitBreaks(moves, { maxMoves: 2, moveWindowMs });
}
