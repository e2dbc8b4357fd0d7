// Plans and states in one plain sentence each: quote, submit, status and explain say the same words.

import type { Quote } from '../engine/quote.ts';
import { openAttempts } from '../engine/fold.ts';
import { shown } from '../engine/shown.ts';
import type { JobState } from '../engine/state.ts';
import { latestStartMs, remainingWorkMs } from '../engine/slack.ts';
import type { EngineSettings, ObservedAttempt } from '../engine/snapshot.ts';
import { grams, percent, usd } from './figures.ts';
import { short, span } from './when.ts';

/** `capUsdPerHour`: --max-price. */
export function planSentence(offer: Quote, nowMs: number, zone: string, capUsdPerHour: number | null): string {
  const { plan } = offer;
  if (plan.zone === null && capUsdPerHour !== null)
    return `plan: no place costs ${usd(capUsdPerHour)}/h or less now, on spot or on demand; it is held until one does, and starts then. If none does by ${short(offer.latestStartMs, nowMs, zone)}, it will be late`;
  const at = plan.startMs <= nowMs ? 'now' : `at about ${short(plan.startMs, nowMs, zone)}`;
  const place = plan.zone === null ? 'in no place yet' : `on ${plan.capacityType ?? ''} ${plan.instanceType ?? ''} in ${plan.zone}`;
  const full =
    offer.onDemandCostUsd === null
      ? ''
      : ` instead of ${usd(offer.onDemandCostUsd)} on demand now (${percent(plan.expectedCostUsd, offer.onDemandCostUsd)})`;
  return `plan: start ${at} ${place}, about ${usd(plan.expectedCostUsd)}${full} and ${grams(plan.expectedCarbonGrams)}; latest start ${short(offer.latestStartMs, nowMs, zone)}`;
}

/** The plan in figures: window, cost, carbon, and what it risks. */
export function planLines(offer: Quote, nowMs: number, zone: string): readonly string[] {
  const { plan, risk } = offer;
  // Nothing is known of a start in no place.
  if (plan.zone === null && plan.expectedCostUsd === null) return [];
  const lines = [`window     ${short(plan.startMs, nowMs, zone)} to ${short(offer.endMs, nowMs, zone)}`];
  if (risk === null) {
    if (plan.expectedCostUsd !== null) lines.push(`cost       about ${usd(plan.expectedCostUsd)}`);
  } else {
    lines.push(
      `cost       about ${usd(risk.expectedCostUsd)} expected, ${usd(risk.worstCostUsd)} at worst`,
      `spot alone ${Math.round(risk.spotAlone * 100)} % likely, with ${risk.interruptions.toFixed(1)} interruptions on average (${risk.basis === 'observed' ? 'as spot was seen to come and go here' : 'as spot usually comes and goes; it was not watched here'})`,
      `on demand  from ${short(risk.onDemandFromMs, nowMs, zone)} at the latest, if nothing is done by then`,
    );
  }
  const range = offer.carbonRangeGrams;
  lines.push(
    `carbon     about ${grams(plan.expectedCarbonGrams)}${range === null ? '' : `, ${grams(range[0])} to ${grams(range[1])} in four cases of five`}`,
  );
  return lines;
}

/** `seen`: its attempts as the cloud shows them now; none where that is not known. */
export function stateSentence(
  state: JobState,
  seen: readonly ObservedAttempt[],
  { settings, nowMs, zone }: { readonly settings: EngineSettings; readonly nowMs: number; readonly zone: string },
): string {
  const { finished } = state;
  if (finished !== null) {
    const when = short(finished.atMs, nowMs, zone);
    const left = state.deadlineMs - finished.atMs;
    if (finished.result !== 'succeeded') return `${finished.result} at ${when}`;
    return finished.late ? `succeeded at ${when}, ${span(-left)} after its deadline` : `succeeded at ${when}, ${span(left)} before its deadline`;
  }
  const newest = state.attempts.at(-1);
  const place = newest === undefined ? '' : ` on ${newest.capacityType} ${newest.instanceType} in ${newest.zone}`;
  if (state.cancelRequested) {
    const [open] = openAttempts(state);
    return `being cancelled${open === undefined ? '' : `; attempt ${open.attempt} still runs on ${open.capacityType} ${open.instanceType} in ${open.zone}`}`;
  }
  const { phase, silent } = shown(state, seen, settings, nowMs);
  switch (phase) {
    case 'held':
      return heldSentence(state, latestStartMs(state, settings), (ms) => short(ms, nowMs, zone));
    case 'starting':
      return `starting${place}`;
    case 'running':
      if (silent) return `running${place}; it reports no progress`;
      return `running${place}, about ${span(remainingWorkMs(state))} to go at the last checkpoint`;
    default:
      return `${phase}${place}`;
  }
}

function heldSentence(state: JobState, latestMs: number, at: (ms: number) => string): string {
  const { plan } = state;
  const latest = at(latestMs);
  if (state.pausedByUser) return `held: paused by you; latest start ${latest}`;
  if (state.heldWhy === 'window' && plan !== null) return `held until about ${at(plan.startMs)}`;
  if (state.heldWhy === 'retry' && plan !== null) return `held: it failed by itself ${state.failures} times; tried again at ${at(plan.startMs)}`;
  if (plan?.zone === null && state.spec.maxPriceUsdPerHour !== null)
    return `held: no place costs ${usd(state.spec.maxPriceUsdPerHour)}/h or less; latest start ${latest}`;
  return `held: no capacity; on demand at ${latest} at the latest`;
}
