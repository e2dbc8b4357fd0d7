// The beat: what tells the webhook and the watchdog that Nerve is alive (engine/pod/beat.ts has the rule). Only the worker that leads beats, and
// only while its passes over the pods succeed. One that led when Redis was last heard of goes on for a while without it, unless a held job must
// start within that while: nothing but the watchdog would start it.
//
// Surprise: a wall clock may be set back. What lies in the future is then no reason to keep quiet, and the grace does not grow by it.

import type { Clock } from '../ports.ts';

/** `passed`: it leads, and its last whole pass compared everything. `standby`: another one leads. `hindered`: the pass failed, or is still under way. */
export type PassOutcome = 'passed' | 'standby' | 'hindered';

export interface BeatOptions {
  readonly beatRealMs: number;
  readonly graceRealMs: number;
}

export interface Heart {
  /** Redis has answered the one that leads. */
  answered(): void;
  /** Beats if it is due. `latestStartsMs`: of held jobs; asked only where it matters. @throws what `beat` throws; the next call tries again. */
  after(outcome: PassOutcome, latestStartsMs: () => Promise<readonly number[]>): Promise<void>;
}

export function createHeart(clock: Clock, beat: () => Promise<void>, { beatRealMs, graceRealMs }: BeatOptions): Heart {
  let leads = false;
  let answeredAtMs = Number.NEGATIVE_INFINITY;
  let beatAtMs = Number.NEGATIVE_INFINITY;

  const mayWithout = async (nowMs: number, latestStartsMs: () => Promise<readonly number[]>): Promise<boolean> => {
    answeredAtMs = Math.min(answeredAtMs, nowMs);
    const endsMs = answeredAtMs + graceRealMs;
    return leads && nowMs <= endsMs && !(await latestStartsMs()).some((atMs) => atMs < endsMs);
  };

  return {
    answered: () => {
      leads = true;
      answeredAtMs = clock.realNowMs();
    },
    after: async (outcome, latestStartsMs) => {
      const nowMs = clock.realNowMs();
      if (outcome === 'standby') leads = false;
      const sinceMs = nowMs - beatAtMs;
      const due = sinceMs < 0 || sinceMs >= beatRealMs;
      if (outcome === 'standby' || !due || (outcome === 'hindered' && !(await mayWithout(nowMs, latestStartsMs)))) return;
      await beat();
      beatAtMs = nowMs;
    },
  };
}
