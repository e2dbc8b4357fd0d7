// The same rule for a job that may be stopped and resumed: it runs in the best hours before its deadline, and stops in between where that
// saves more than another start and the thresholds of the settings. In one stretch, a long job cannot help running through dear hours.

import type { Window } from '../objective.ts';
import type { PolicyContext, Proposal } from './proposal.ts';
import { shift } from './shift.ts';

const HOUR_MS = 3_600_000;
const QUARTER_MS = HOUR_MS / 4;
/** A plan is looked at in steps of a quarter of an hour, longer ones where the deadline is far. */
const MOST_STEPS = 192;
const LEAST_PIECE_STARTS = 4;

export function inPieces(context: PolicyContext): Proposal {
  const { at, spot, settings } = context;
  const [first] = spot;
  if (at?.capacityType === 'on-demand') return { do: 'stay' };
  const running = at !== null;
  const goOn: Proposal = running ? { do: 'stay' } : first === undefined ? { do: 'nothing-on-offer' } : { do: 'spot', ranked: spot };
  if (!running && first === undefined) return goOn;
  // Steps are reckoned whole: what is nearly done is no piece.
  if (running && context.workMs < context.startOverheadMs * LEAST_PIECE_STARTS) return goOn;
  const steps = stepsAhead(context);
  if (steps === null) return goOn;
  const { windows, stepMs } = steps;
  const answer = shift({
    costs: windows.map((w) => w.objectiveUsd),
    work: context.workMs / stepMs,
    start: context.startOverheadMs / stepMs,
    startLeft: (at?.overheadLeftMs ?? 0) / stepMs,
    running,
    inPieces: true,
  });
  if (answer === null || answer.runNow || answer.firstStep === 0) return goOn;
  // A stop gives up a machine that was there; it must pay clearly.
  const needed = running || context.underWay ? Math.max(settings.minHoldSaving, settings.minMoveSaving) : settings.minHoldSaving;
  if (answer.waitUsd >= answer.runUsd * (1 - needed)) return goOn;
  const window = windowOf(windows, answer.firstStep, (context.workMs + context.startOverheadMs) / stepMs, answer.waitUsd);
  return window === null ? goOn : { do: 'wait', window, greener: window.costUsd >= costOfNow(windows, context, stepMs) };
}

/** The best place of each step, from now to the end of a run that starts as late as spot is safe. Null: there is none to choose from. */
function stepsAhead({
  nowMs,
  spotSafeUntilMs,
  workMs,
  startOverheadMs,
  outlook,
}: PolicyContext): { readonly windows: readonly Window[]; readonly stepMs: number } | null {
  const lengthMs = spotSafeUntilMs - nowMs + workMs + startOverheadMs;
  const stepMs = Math.max(1, Math.ceil(lengthMs / MOST_STEPS / QUARTER_MS)) * QUARTER_MS;
  const windows: Window[] = [];
  for (let k = 0; (k + 1) * stepMs <= lengthMs; k++) {
    const window = outlook.bestFrom(nowMs + k * stepMs, stepMs);
    if (window === null) return null;
    windows.push(window);
  }
  return windows.length < 2 ? null : { windows, stepMs };
}

/** The pieces as one window: it opens with the first, and costs what the best steps cost together. */
function windowOf(windows: readonly Window[], firstStep: number, length: number, objectiveUsd: number): Window | null {
  const opens = windows[firstStep];
  if (opens === undefined) return null;
  const best = windows.slice(firstStep).toSorted((a, b) => a.objectiveUsd - b.objectiveUsd);
  const chosen = best.slice(0, Math.ceil(length - 1e-9));
  const share = length / Math.max(1, chosen.length);
  return {
    ...opens,
    objectiveUsd,
    costUsd: share * chosen.reduce((sum, w) => sum + w.costUsd, 0),
    carbonGrams: share * chosen.reduce((sum, w) => sum + w.carbonGrams, 0),
  };
}

/** Of a run in one stretch from now. */
function costOfNow(windows: readonly Window[], { workMs, startOverheadMs }: PolicyContext, stepMs: number): number {
  const length = (workMs + startOverheadMs) / stepMs;
  return windows.slice(0, Math.ceil(length)).reduce((sum, w, k) => sum + w.costUsd * Math.min(1, length - k), 0);
}
