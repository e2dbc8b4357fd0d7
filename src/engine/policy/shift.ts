// When to run, where what an hour costs is forecast and the place does not matter: a job of some steps, a start that costs part of a
// step, a deadline. Exact, by dynamic programming over steps left, steps run, starts made, and whether it runs.
//
// In pieces (a job that can be stopped and resumed), every stop costs another start, and steps are charged whole: a start
// that fits into what is left of the last step anyway is free. In one piece, the choice is only when to begin.
//
// The plan is made anew at each look, and each forecast is wrong in another way. What keeps such a job from dithering is the forecast (it
// begins at the reading of now, so that a step above the smooth curve is no reason to wait) and the price of a start. A margin on top
// (change over only for a share of what remains) was tried and cost more than dithering (docs/decisions/0010-forecaster.md).

export interface ShiftQuestion {
  /** What running in each step from now to the deadline costs; the first is now, and known. */
  readonly costs: readonly number[];
  /** Work left, in steps. */
  readonly work: number;
  /** A start, in steps. */
  readonly start: number;
  /** Of a start under way. */
  readonly startLeft: number;
  readonly running: boolean;
  readonly inPieces: boolean;
}

export interface ShiftAnswer {
  readonly runNow: boolean;
  /** First step in which it runs, if it is left to wait now. */
  readonly firstStep: number;
  /** To the end, running now; not running now. Infinite where that is not on time. */
  readonly runUsd: number;
  readonly waitUsd: number;
}

const MOST_STARTS = 8;
const EPSILON = 1e-9;

/** Null: there is not enough time left for what the costs cover. */
export function shift(question: ShiftQuestion): ShiftAnswer | null {
  const { costs, running, inPieces } = question;
  const now = costs[0];
  if (now === undefined) return null;
  const { goesOn, begun, waited, firstStep } = costsToGo(question);
  const runUsd = now + (running ? goesOn : begun);
  const waitUsd = running && !inPieces ? Infinity : waited;
  const least = Math.min(runUsd, waitUsd);
  if (!Number.isFinite(least)) return null;
  return { runNow: runUsd <= waitUsd + EPSILON, firstStep, runUsd, waitUsd };
}

interface CostsToGo {
  /** From the next step on: it ran in this one, and was running before; it ran in this one after a start; it did not run. */
  readonly goesOn: number;
  readonly begun: number;
  readonly waited: number;
  /** First step in which it runs, if it does not run in step 0. */
  readonly firstStep: number;
}

function costsToGo({ costs, work, start, startLeft, running, inPieces }: ShiftQuestion): CostsToGo {
  // A start that costs nothing need not be counted.
  const counts = start > 0 ? 1 : 0;
  const mostStarts = counts === 0 ? 0 : inPieces ? MOST_STARTS : 1;
  const base = work + (running ? startLeft : 0);
  const needs = Array.from({ length: mostStarts + 1 }, (_, j) => Math.max(0, Math.ceil(base + j * start - EPSILON)));
  const most = Math.max(...needs);
  const row = (mostStarts + 1) * 2;
  let layer = new Float64Array((most + 2) * row);
  let next = new Float64Array((most + 2) * row);
  let firstStep = 0;
  for (let k = costs.length; k >= 1; k--) {
    const price = costs[k] ?? Infinity;
    for (let ran = Math.min(k, most); ran >= 0; ran--) {
      for (let starts = 0; starts <= mostStarts; starts++) {
        const here = ran * row + starts * 2;
        if (ran >= (needs[starts] as number)) {
          layer[here] = layer[here + 1] = 0;
          continue;
        }
        if (k === costs.length) {
          layer[here] = layer[here + 1] = Infinity;
          continue;
        }
        const stay = price + (next[here + row + 1] as number);
        const rest = next[here] as number;
        const begin = starts + counts > mostStarts ? Infinity : price + (next[here + row + 1 + 2 * counts] as number);
        layer[here] = Math.min(rest, begin);
        layer[here + 1] = inPieces ? Math.min(stay, rest) : stay;
        if (ran === 0 && starts === 0 && begin <= rest + EPSILON) firstStep = k;
      }
    }
    [layer, next] = [next, layer];
  }
  return { goesOn: next[row + 1] as number, begun: next[row + 1 + 2 * counts] as number, waited: next[0] as number, firstStep };
}
