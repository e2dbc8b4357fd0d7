// A job without any spot to use: all that is left to choose is the hour, by the forecast of the grid.

import { aheadOf } from './ahead.ts';
import type { Choice, Situation } from './choose.ts';
import { shift } from './shift.ts';

const HOUR_MS = 3_600_000;

/** Null: nothing is known of what is to come, or time is too short to choose. */
export function shiftedChoice(situation: Situation): Choice | null {
  const { onDemand, carbonUsdPerGram, lookHours, nowMs, market, running, drift } = situation;
  const kw = onDemand?.offering.facilityPowerKw ?? 0;
  if (onDemand === null || kw <= 0 || carbonUsdPerGram <= 0 || running === -1) return null;
  const { carbon, models } = market;
  const ahead = aheadOf(carbon.history, nowMs, carbon.gramsPerKwh, models?.carbon, carbon.gramsPerKwh);
  if (!ahead.varies) return null;
  const steps = Math.floor(situation.hoursLeft / lookHours + 1e-6);
  const costs = Array.from({ length: steps }, (_, k) => {
    const grams = k === 0 ? carbon.gramsPerKwh : ahead.at(nowMs + (k + 0.5) * lookHours * HOUR_MS);
    return (onDemand.offering.priceUsdPerHour + kw * grams * carbonUsdPerGram) * lookHours;
  });
  const on = running === 'on-demand';
  const answer = shift({
    costs,
    work: situation.workHours / (1 + drift) / lookHours,
    start: situation.startHours / lookHours,
    startLeft: situation.overheadLeftHours / lookHours,
    running: on,
    inPieces: true,
  });
  if (answer === null) return null;
  return answer.runNow ? 'on-demand' : situation.may.wait ? 'wait' : 'on-demand';
}
