// The rule where nothing is known of how long spot lasts: cheapest spot now, unless the forecast promises a window that is
// better by `minHoldSaving`. It has no opinion about what runs (decide.ts moves it when another place is clearly cheaper).

import { type Window, WINDOW_STEP_MS } from '../objective.ts';
import { inPieces } from './in-pieces.ts';
import type { Policy, PolicyContext } from './proposal.ts';

export const cheapestNow: Policy = (context) => {
  if (context.spec.interruptible === true) return inPieces(context);
  if (context.at !== null) return { do: 'stay' };
  const [first] = context.spot;
  if (first === undefined) return { do: 'nothing-on-offer' };
  const { zone, instanceType } = first.offering;
  const now = context.outlook.windowIn(zone, instanceType, context.nowMs, context.workMs + context.startOverheadMs);
  const later = bestWindow(context);
  const { minHoldSaving, minMoveSaving } = context.settings;
  const needed = context.underWay ? Math.max(minHoldSaving, minMoveSaving) : minHoldSaving;
  if (now !== null && later !== null && later.objectiveUsd < now.objectiveUsd * (1 - needed)) {
    return { do: 'wait', window: later, greener: later.costUsd >= now.costUsd };
  }
  return { do: 'spot', ranked: context.spot };
};

/** The best window that opens later than now and while spot is safe, or null. */
export function bestWindow({ outlook, nowMs, workMs, startOverheadMs, spotSafeUntilMs, settings }: PolicyContext): Window | null {
  return outlook.bestBetween(nowMs + WINDOW_STEP_MS, spotSafeUntilMs - settings.sweepMs, workMs + startOverheadMs);
}
