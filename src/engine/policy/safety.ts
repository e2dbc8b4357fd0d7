// The safety layer: small, apart from every policy, and the only thing that "never late" rests on.
//
// Invariant at each look: on demand, asked for now, ends by the deadline in the worst case. Something else than on demand is
// permitted only if the invariant still holds at the next look, whatever happens in between:
//
//   wait          nothing is done until the next look;
//   start spot    it fails (then as waiting), or its start is all that happens before it is lost;
//   stay on spot  what is left of its start may be all that happens before it is lost, or it surely ends before the next look.
//
// On demand is always permitted: it is not taken back, so its end does not move. By induction a job that can be on time at
// its first look is on time. Between real clocks (no ticks), the margins of slack.ts stand for "between two looks".

import { mustLeaveSpot, remainingWorkMs, spotSafeUntilMs, startOverheadMs } from '../slack.ts';
import type { ProgressFact } from '../record.ts';
import type { EngineSettings, TickWorld } from '../snapshot.ts';
import type { JobState } from '../state.ts';
import type { Permits, Proposal } from './proposal.ts';

/** For the rounding of instants given as fractions of a millisecond; far below a tick. */
const ROUNDING_MS = 0.001;

export function permits(state: JobState, settings: EngineSettings, nowMs: number, seen: ProgressFact | null = null, overheadLeftMs = 0): Permits {
  if (settings.ticks !== undefined) return inTicks(state, settings, settings.ticks, nowMs, seen, overheadLeftMs);
  const safe = nowMs <= spotSafeUntilMs(state, settings, seen);
  return { wait: safe, startSpot: safe, staySpot: !mustLeaveSpot(state, settings, nowMs, seen) };
}

function inTicks(
  state: JobState,
  settings: EngineSettings,
  world: TickWorld,
  nowMs: number,
  seen: ProgressFact | null,
  overheadLeftMs: number,
): Permits {
  const { tickMs, workRateMin } = world;
  const workMs = remainingWorkMs(state, seen);
  const startMs = startOverheadMs(state, settings) * world.overheadFactorMax;
  const inHandMs = state.deadlineMs - nowMs - startMs - workMs / workRateMin + ROUNDING_MS;
  const mayFail = world.launchFailureProbability > 0;
  const surelyDoneMs = (startsForMs: number): number => Math.max(0, tickMs - startsForMs) * workRateMin;
  const wait = tickMs <= inHandMs;
  return {
    wait,
    startSpot: mayFail ? wait : Math.min(tickMs, startMs) <= inHandMs || (workMs <= surelyDoneMs(startMs) && inHandMs >= 0),
    staySpot: Math.min(tickMs, overheadLeftMs) <= inHandMs || workMs <= surelyDoneMs(overheadLeftMs),
  };
}

/** What of a proposal may be done; on demand in its place otherwise. */
export function restrain(proposal: Proposal, may: Permits, running: 'spot' | 'on-demand' | null): Proposal {
  switch (proposal.do) {
    case 'on-demand':
      return proposal;
    case 'stay':
      return running === 'on-demand' || (running === 'spot' && may.staySpot) ? proposal : { do: 'on-demand' };
    case 'spot':
      return may.startSpot ? proposal : { do: 'on-demand' };
    case 'wait':
    case 'nothing-on-offer':
      return may.wait ? proposal : { do: 'on-demand' };
  }
}
