// The seam: a policy proposes where and when a job that needs a start should run; decide.ts keeps the contract (deadline,
// moves, caps) whatever a policy proposes. This version: cheapest spot now, unless the forecast promises a window that is
// better by `minHoldSaving`. A later one replaces `placementPolicy` and nothing else.

import type { JobSpec } from './job.ts';
import { type Outlook, type Priced, type Window, WINDOW_STEP_MS } from './objective.ts';
import type { EngineSettings } from './snapshot.ts';

export interface PolicyContext {
  readonly spec: JobSpec;
  readonly nowMs: number;
  readonly outlook: Outlook;
  /** Spot that decide.ts allows now (capacity, move limit, dry zones), cheapest objective first. */
  readonly spot: readonly Priced[];
  /** Work plus one start, the length of the window that is looked for. */
  readonly lengthMs: number;
  /** The job has run before: it goes on unless waiting pays clearly. */
  readonly underWay: boolean;
  /** A window must open by then. */
  readonly spotSafeUntilMs: number;
  readonly settings: EngineSettings;
}

export type Proposal =
  | { readonly do: 'spot'; readonly ranked: readonly Priced[] }
  | { readonly do: 'wait'; readonly window: Window; readonly greener: boolean }
  | { readonly do: 'nothing-on-offer' };

export type Policy = (context: PolicyContext) => Proposal;

export const placementPolicy: Policy = (context) => {
  const [first] = context.spot;
  if (first === undefined) return { do: 'nothing-on-offer' };
  const { zone, instanceType } = first.offering;
  const now = context.outlook.windowIn(zone, instanceType, context.nowMs, context.lengthMs);
  const later = bestWindow(context);
  const { minHoldSaving, minMoveSaving } = context.settings;
  const needed = context.underWay ? Math.max(minHoldSaving, minMoveSaving) : minHoldSaving;
  if (now !== null && later !== null && later.objectiveUsd < now.objectiveUsd * (1 - needed)) {
    return { do: 'wait', window: later, greener: later.costUsd >= now.costUsd };
  }
  return { do: 'spot', ranked: context.spot };
};

/** The best window that opens later than now and while spot is safe, or null. */
function bestWindow(context: PolicyContext): Window | null {
  let best: Window | null = null;
  const last = context.spotSafeUntilMs - context.settings.sweepMs;
  for (let startMs = context.nowMs + WINDOW_STEP_MS; startMs <= last; startMs += WINDOW_STEP_MS) {
    const window = context.outlook.bestFrom(startMs, context.lengthMs);
    // Of windows that cost the same, the earlier one: it leaves more slack.
    if (window !== null && (best === null || window.objectiveUsd < best.objectiveUsd * 0.999)) best = window;
  }
  return best;
}
