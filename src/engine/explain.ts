// Why a job is where it is: one plain sentence, then the numbers, then what was not chosen. Pure: the caller says how
// instants and lengths are written.

import { knownPrice, outlook } from './objective.ts';
import type { Reason } from './reasons.ts';
import type { EngineSettings, MarketView } from './snapshot.ts';
import { latestStartMs, remainingWorkMs, spotSafeUntilMs } from './slack.ts';
import type { JobState } from './state.ts';

export interface Format {
  readonly instant: (ms: number) => string;
  readonly span: (ms: number) => string;
  /** Null: not known. */
  readonly usd: (value: number | null) => string;
}

export interface Explanation {
  readonly sentence: string;
  readonly numbers: readonly { readonly name: string; readonly value: string }[];
  readonly rejected: readonly string[];
}

/** The sentence for each reason, in one place. `{}` is never needed: numbers come after it. */
const REASON_TEXT: Readonly<Record<Reason, string>> = {
  'cheaper-window-ahead': 'It is held because a cheaper window is expected before its latest start.',
  'greener-window-ahead': 'It is held because a greener window is expected before its latest start.',
  'no-spot-capacity': 'It is held because no acceptable spot capacity is on offer, and there is slack to wait.',
  'move-limit': 'It is held because it has already moved twice within the hour; a third move is never made while there is slack.',
  'user-paused': 'It is held because you paused it.',
  'backing-off': 'It is held for a while because it failed by itself more than once; then it is tried again.',
  'cheapest-now': 'It runs because nothing better is expected before its latest start.',
  profiling: 'It runs at once, on the cheapest spot, to learn how long it takes.',
  'window-open': 'It runs because the window it was held for has come.',
  'latest-start-reached': 'It runs on demand, at full price, because waiting any longer would risk the deadline.',
  'on-demand-pays': 'It runs on demand, because waiting for spot is expected to cost more in the end.',
  'not-movable': 'It runs on demand, because after one more interruption it could not be started again.',
  'user-released': 'It runs because you released it.',
  'retry-after-failure': 'It was started again after it failed by itself.',
  'interruption-notice': 'It was moved because the cloud took its machine back.',
  'node-vanished': 'It was started again because its machine vanished without notice.',
  'placement-failed': 'The place that was asked for had no capacity after all.',
  'not-started': 'It was started again elsewhere because it had a machine and did not begin to run there.',
  'cheaper-elsewhere': 'It was moved because another place saves more than the move costs.',
  drill: 'It was moved because you asked for a drill.',
  'taken-down': 'It was started again because Nerve on this machine had been ended ("nerve down", or Ctrl-C).',
  'asked-again': 'It was started again because it asked for that: it ended with exit code 75, and nobody had told it to.',
  superseded: 'An attempt that is no longer valid was removed.',
  running: 'It runs.',
  evacuating: 'It is saving its state and moving to another machine.',
  completed: 'It has completed.',
  'user-cancelled': 'It was cancelled by you.',
  'retries-used-up': 'It failed by itself more often than --retries allows.',
  'deleted-by-someone-else': 'Somebody else deleted it, so Nerve let it go.',
  'on-demand-unavailable': 'Even on demand has no capacity; the request stands in every zone and is repeated.',
  'price-cap': 'It is held because your price cap is below everything on offer.',
  'deadline-passed': 'Its deadline has passed; it goes on.',
};

/** The sentence for a reason that came as text, from an annotation; null for one that this version does not know. */
export const reasonText = (reason: string): string | null => (reason in REASON_TEXT ? REASON_TEXT[reason as Reason] : null);

export function explain(state: JobState, market: MarketView | null, settings: EngineSettings, nowMs: number, format: Format): Explanation {
  const reason = currentReason(state);
  const numbers = [
    { name: 'deadline', value: format.instant(state.deadlineMs) },
    { name: 'work remaining', value: format.span(remainingWorkMs(state)) },
  ];
  if (state.finished !== null) return { sentence: REASON_TEXT[reason], numbers, rejected: [] };
  if (state.cancelRequested) return { sentence: 'It is being cancelled, and will not be started again.', numbers, rejected: [] };
  numbers.push(
    { name: 'latest start (on demand)', value: format.instant(latestStartMs(state, settings)) },
    { name: 'spot is safe until', value: format.instant(spotSafeUntilMs(state, settings)) },
  );
  const { plan } = state;
  if (plan !== null && state.phase === 'held' && state.heldWhy === 'window') {
    numbers.push({
      name: 'planned window',
      value: `${format.instant(plan.startMs)} for ${format.usd(plan.expectedCostUsd)} in ${plan.zone ?? 'any zone'}`,
    });
    if (plan.costNowUsd !== null) numbers.push({ name: 'starting when planned', value: format.usd(plan.costNowUsd) });
  }
  return { sentence: REASON_TEXT[reason], numbers, rejected: market === null ? [] : rejected(state, market, nowMs, format) };
}

function currentReason(state: JobState): Reason {
  if (state.finished !== null) return state.finished.reason;
  if (state.phase === 'held') return state.pausedByUser ? 'user-paused' : (state.heldReason ?? 'cheaper-window-ahead');
  if (state.phase === 'evacuating') return 'evacuating';
  return state.attempts.at(-1)?.reason ?? 'running';
}

function rejected(state: JobState, market: MarketView, nowMs: number, format: Format): readonly string[] {
  const here = state.attempts.at(-1);
  const lines = market.offerings
    .filter((o) => state.spec.instanceTypes.includes(o.instanceType) && (state.spec.zones?.includes(o.zone) ?? true))
    .filter((o) => !(state.phase !== 'held' && here?.zone === o.zone && here.instanceType === o.instanceType && here.capacityType === o.capacityType))
    .map((o) => `${o.capacityType} ${o.instanceType} in ${o.zone} at ${format.usd(knownPrice(o))}/h${o.available ? '' : ': no capacity'}`);
  const windows = outlook(market, nowMs, state.spec).bestFrom(nowMs, remainingWorkMs(state));
  return windows === null ? lines : [...lines, `starting now at the best spot price: ${format.usd(windows.costUsd)} for the remaining work`];
}
