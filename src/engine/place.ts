// Where and when the next attempt of a job starts. The policy proposes; this file keeps the contract around it: the
// deadline (on demand at the latest start), the move limit, the user's cap and pause, zones that just had nothing.

import type { Decision } from './decision.ts';
import { onDemandOnly, spotOnly } from './capacity.ts';
import { openAttempts } from './fold.ts';
import { mayStartIn, nextMoveAtMs } from './moves.ts';
import { type Outlook, outlook, type Priced, placementOf } from './objective.ts';
import { planDry, planNow, planWindow, type PlanContext } from './plan.ts';
import type { Permits, Policy, PolicyContext, RunningAt } from './policy/proposal.ts';
import { permits, restrain } from './policy/safety.ts';
import type { Reason } from './reasons.ts';
import type { HeldWhy, Plan, ProgressFact } from './record.ts';
import type { EngineSettings, MarketView, ObservedAttempt } from './snapshot.ts';
import { latestStartMs, remainingWorkMs, spotSafeUntilMs, startOverheadMs } from './slack.ts';
import type { JobState } from './state.ts';

export interface Context {
  readonly state: JobState;
  readonly seen: readonly ObservedAttempt[];
  readonly nowMs: number;
  readonly market: MarketView;
  readonly settings: EngineSettings;
  readonly policy: Policy;
}

/** A held job whose thresholds were not crossed stays held, at the price of a comparison. Null when it must be thought about. */
export function heldUnchanged(context: Context): Decision | null {
  const { state, nowMs, market } = context;
  const plan = state.plan;
  if (state.phase !== 'held' || plan === null || state.releaseRequested || state.cancelRequested || state.pausedByUser) return null;
  if (state.heldWhy !== 'window' || state.heldReason === null || plan.wakeAtOrBelowUsdPerHour === null) return null;
  const latest = latestStartMs(state, context.settings);
  const wakeAtMs = Math.min(plan.startMs, spotSafeUntilMs(state, context.settings));
  if (nowMs >= wakeAtMs || Math.abs(latest - plan.latestStartMs) > 1000) return null;
  const cheapest = outlook(market, nowMs, state.spec).spotNow[0];
  if (cheapest !== undefined && cheapest.objectiveUsdPerHour <= plan.wakeAtOrBelowUsdPerHour) return null;
  return { do: 'hold', jobId: state.spec.id, why: 'window', reason: state.heldReason, plan, wakeAtMs };
}

/** Spot that may be taken now, cheapest objective first. */
export function spotCandidates(context: Context, view: Outlook = outlook(context.market, context.nowMs, context.state.spec)): readonly Priced[] {
  const { state, nowMs, settings } = context;
  if (onDemandOnly(state)) return [];
  const avoided = avoidedZones(context);
  return view.spotNow.filter(({ offering }) => !avoided.has(offering.zone) && mayStartIn(offering.zone, state, settings, nowMs));
}

/** Zones whose spot was taken back, or had nothing, within the last placement time-out (at least a notice). */
function avoidedZones({ state, nowMs, settings }: Context): ReadonlySet<string> {
  const sinceMs = nowMs - Math.max(settings.placementTimeoutMs, settings.noticeMs) * 2;
  const zones = state.attempts
    .filter((a) => a.capacityType === 'spot')
    .filter(
      (a) =>
        (a.noticed !== null && (a.ended === null || a.ended.atMs > sinceMs)) ||
        (a.ended?.cause === 'not-placed' && a.ended.atMs > sinceMs) ||
        ((a.ended?.reason === 'node-vanished' || a.ended?.reason === 'not-started') && a.ended.atMs > sinceMs),
    )
    .map((a) => a.zone);
  return new Set(zones);
}

/** The job has no attempt that stays: launch one, or hold. */
export function place(context: Context): readonly Decision[] {
  const { state, nowMs, settings } = context;
  const view = outlook(context.market, nowMs, state.spec);
  const spot = spotCandidates(context, view);
  const latest = latestStartMs(state, settings);
  const lengthMs = remainingWorkMs(state) + startOverheadMs(state, settings);
  const planning: PlanContext = { nowMs, latestStartMs: latest, lengthMs, outlook: view, spotNow: spot[0] };
  const at: Site = { context, view, spot, planning, spotSafeUntilMs: spotSafeUntilMs(state, settings) };

  if (state.pausedByUser) return [hold(at, 'user', 'user-paused', planDry(planning), Math.max(latest, nowMs + settings.sweepMs))];
  const retryMs = retryAtMs(state);
  if (retryMs !== null && nowMs < retryMs && retryMs <= at.spotSafeUntilMs && !state.releaseRequested) return [backOff(at, retryMs)];
  if (onDemandOnly(state)) return [onDemand(at, 'not-movable')];
  if (spotOnly(state)) return [spot.length > 0 ? launch(at, spot, startReason(state)) : dry(at, 'no-spot-capacity')];
  const may = permits(state, settings, nowMs);
  const drilled = state.moveRequestedAtMs !== null && state.attempts.at(-1)?.stopRequested?.request === 'move';
  const others = drilled && state.lastZone !== null ? elsewhere(context, state.lastZone, may, view) : [];
  if (others.length > 0) return [launch(at, others, 'drill')];
  if (!may.wait && !may.startSpot) return [onDemand(at)];
  if (isUnknown(state)) return [profile(at)];
  if (state.releaseRequested || wasReleased(state))
    return [spot[0] === undefined ? onDemand(at, 'user-released') : launch(at, spot, 'user-released')];
  // What is on offer is forbidden by the limit, or was just taken back: in the second case a move is legal at once, and waits for the zone.
  const limited = view.spotNow.length > 0 && nextMoveAtMs(state, settings, nowMs) > nowMs;
  const proposal = restrain(context.policy({ ...policyContext(context, view, spot), may }), may, null);
  switch (proposal.do) {
    case 'nothing-on-offer':
      return [dry(at, limited ? 'move-limit' : 'no-spot-capacity')];
    case 'stay':
    case 'on-demand':
      return [onDemand(at, may.wait ? 'on-demand-pays' : 'latest-start-reached')];
    case 'wait':
      return [
        hold(
          at,
          'window',
          proposal.greener ? 'greener-window-ahead' : 'cheaper-window-ahead',
          planWindow(planning, proposal.window),
          proposal.window.startMs,
        ),
      ];
    case 'spot':
      return [launch(at, proposal.ranked, startReason(state))];
  }
}

/** What may be taken now outside this zone: spot while that is safe, and where there is none, on demand. */
export function elsewhere(context: Context, zone: string, may: Permits, view?: Outlook): readonly Priced[] {
  const { state, nowMs, settings } = context;
  const away = (places: readonly Priced[]): readonly Priced[] =>
    places.filter(({ offering }) => offering.zone !== zone && mayStartIn(offering.zone, state, settings, nowMs));
  const spot = may.startSpot ? away(spotCandidates(context, view)) : [];
  return spot.length > 0 ? spot : away(onDemandOnOffer(context, view));
}

/** How long it takes is to be learned by running it. */
export function isUnknown(state: JobState, seen: ProgressFact | null = null): boolean {
  const remainingMs = (seen ?? state.lastProgress)?.remainingMs ?? null;
  return state.spec.profileMs !== undefined && remainingMs === null;
}

/** At once, on the cheapest spot; where there is none, as soon as there is some, and on demand when time runs out. */
function profile(at: Site): Decision {
  return at.spot.length > 0 ? launch(at, at.spot, 'profiling') : dry(at, 'no-spot-capacity');
}

/** Does waiting pay, now that it is known how long the job takes? Asked of a job as if nothing of it ran. */
export function waitingPays(context: Context, may: Permits, seen: ProgressFact | null): Reason | null {
  const view = outlook(context.market, context.nowMs, context.state.spec);
  const shown = { ...policyContext(context, view, spotCandidates(context, view), seen), underWay: true };
  const proposal = may.wait ? context.policy({ ...shown, may }) : null;
  if (proposal?.do !== 'wait') return null;
  return proposal.greener ? 'greener-window-ahead' : 'cheaper-window-ahead';
}

/** What the policy is shown, less what it may do. */
function policyContext(context: Context, view: Outlook, spot: readonly Priced[], seen: ProgressFact | null = null): Omit<PolicyContext, 'may'> {
  const { state, nowMs, market, settings } = context;
  return {
    spec: state.spec,
    deadlineMs: state.deadlineMs,
    nowMs,
    market,
    outlook: view,
    spot,
    at: null,
    workMs: remainingWorkMs(state, seen),
    startOverheadMs: startOverheadMs(state, settings),
    underWay: state.attempts.some((a) => a.resumed !== null),
    spotSafeUntilMs: spotSafeUntilMs(state, settings, seen),
    settings,
  };
}

/** Why the policy wants what runs here to stop, and to run elsewhere or later. Null: it goes on. */
export function proposedLeave(context: Context, at: RunningAt, may: Permits, seen: ProgressFact | null): Reason | null {
  const { state, nowMs } = context;
  const view = outlook(context.market, nowMs, state.spec);
  const proposal = restrain(context.policy({ ...policyContext(context, view, spotCandidates(context, view), seen), at, may }), may, at.capacityType);
  if (proposal.do === 'stay') return null;
  if (proposal.do === 'nothing-on-offer') return state.spec.carbonPriceUsdPerTonne > 0 ? 'greener-window-ahead' : 'cheaper-window-ahead';
  if (proposal.do === 'on-demand') return at.capacityType === 'on-demand' || onDemandOnOffer(context, view).length === 0 ? null : 'on-demand-pays';
  if (proposal.do === 'wait') return proposal.greener ? 'greener-window-ahead' : 'cheaper-window-ahead';
  const first = proposal.ranked[0]?.offering;
  const same = first === undefined || (at.capacityType === 'spot' && first.zone === at.zone && first.instanceType === at.instanceType);
  return same ? null : 'cheaper-elsewhere';
}

interface Site {
  readonly context: Context;
  readonly view: Outlook;
  readonly spot: readonly Priced[];
  readonly planning: PlanContext;
  readonly spotSafeUntilMs: number;
}

/** Its user had released it, and it ran until Nerve on this machine was ended: that ends no release. */
function wasReleased({ attempts }: JobState): boolean {
  const last = attempts.at(-1);
  return last?.reason === 'user-released' && last.ended?.reason === 'taken-down';
}

function startReason(state: JobState): Reason {
  const last = state.attempts.at(-1);
  if (last === undefined) return state.heldWhy === 'window' && state.plan !== null ? 'window-open' : 'cheapest-now';
  if (last.ended === null) return last.stopRequested?.reason ?? 'interruption-notice';
  if (last.ended.cause === 'failed') return 'retry-after-failure';
  const { cause, reason } = last.ended;
  return cause === 'interrupted' || reason === 'taken-down' || reason === 'asked-again' || reason === 'not-started' ? reason : 'cheapest-now';
}

/** Held without anything acceptable: look again at the next sweep (the market wakes it earlier) or when a move is legal. */
function dry(at: Site, reason: 'no-spot-capacity' | 'move-limit'): Decision {
  const { nowMs, settings, state } = at.context;
  const retryMs = reason === 'move-limit' ? nextMoveAtMs(state, settings, nowMs) : nowMs + settings.placementTimeoutMs;
  return hold(at, 'no-capacity', reason, planDry(at.planning), Math.max(nowMs + 1, retryMs));
}

function hold(at: Site, why: HeldWhy, reason: Reason, plan: Plan, wakeAtMs: number): Decision {
  const { nowMs, state } = at.context;
  // Never past the instant at which on demand must be taken.
  const limitMs = state.pausedByUser ? wakeAtMs : Math.max(nowMs + 1, at.spotSafeUntilMs + 1);
  return { do: 'hold', jobId: state.spec.id, why, reason, plan, wakeAtMs: Math.min(wakeAtMs, limitMs) };
}

/** The first retry follows at once; from then on what fails may be a storage or a dataset that needs a while. */
const BACK_OFF_MS = 30_000;
const BACK_OFF_LIMIT_MS = 600_000;

/** When a job that failed by itself is tried again; null: it did not. */
function retryAtMs({ attempts, failures }: JobState): number | null {
  const last = attempts.at(-1)?.ended;
  if (last?.cause !== 'failed') return null;
  return last.atMs + (failures < 2 ? 0 : Math.min(BACK_OFF_MS * 4 ** (failures - 2), BACK_OFF_LIMIT_MS));
}

function backOff(at: Site, untilMs: number): Decision {
  const plan = { ...planDry(at.planning), startMs: untilMs, wakeAtOrBelowUsdPerHour: null };
  return { do: 'hold', jobId: at.context.state.spec.id, why: 'retry', reason: 'backing-off', plan, wakeAtMs: untilMs };
}

function launch(at: Site, ranked: readonly Priced[], reason: Reason): Decision {
  const { state, nowMs, settings } = at.context;
  const [choice] = ranked;
  if (choice === undefined) return dry(at, 'no-spot-capacity');
  const leaving = openAttempts(state).at(-1);
  return {
    do: 'launch',
    jobId: state.spec.id,
    attempt: (state.attempts.at(-1)?.attempt ?? 0) + 1,
    ranked: ranked.map(placementOf),
    reason,
    handover:
      leaving === undefined ? null : { previousAttempt: leaving.attempt, waitSealedUntilMs: leaving.noticed?.endsAtMs ?? nowMs + settings.noticeMs },
    plan: planNow(at.planning, choice),
    wakeAtMs: nowMs + settings.sweepMs,
  };
}

/**
 * Full price, to be on time. Every zone and type is asked for; within the move limit while slack remains, and once the latest
 * start has passed and the last zone is said to have nothing, anywhere: in the last zone first, for what is said of it may be old.
 * Spot within reach is taken when on demand has nothing.
 */
function onDemand(at: Site, reason: Reason = 'latest-start-reached'): Decision {
  const { state, nowMs, settings } = at.context;
  const late = nowMs >= at.planning.latestStartMs;
  const open = onDemandOnOffer(at.context, at.view);
  const legal = open.filter((p) => mayStartIn(p.offering.zone, state, settings, nowMs));
  const lastZone = late && legal.length === 0 && open.length > 0 ? everyOnDemand(at.view).filter((p) => p.offering.zone === state.lastZone) : [];
  const ranked = legal.length > 0 || !late ? legal : [...lastZone, ...open.filter((p) => p.offering.zone !== state.lastZone)];
  if (ranked.length > 0) return launch(at, ranked, reason);
  if (at.spot.length > 0) return launch(at, at.spot, 'on-demand-unavailable');
  const askable = everyOnDemand(at.view);
  if (askable.length === 0) {
    return {
      do: 'hold',
      jobId: state.spec.id,
      why: 'no-capacity',
      reason: state.spec.maxPriceUsdPerHour === null ? 'on-demand-unavailable' : 'price-cap',
      plan: planDry(at.planning),
      wakeAtMs: nowMs + settings.sweepMs,
    };
  }
  // Nothing is known to be there: ask all the same, the market's word may be old. The ask is repeated when it times out.
  const within = askable.filter((p) => mayStartIn(p.offering.zone, state, settings, nowMs));
  const anywhere = late ? [...within, ...askable.filter((p) => !within.includes(p))] : within;
  if (anywhere.length > 0 && openAttempts(state).length < 2) return launch(at, anywhere, 'on-demand-unavailable');
  return {
    do: 'hold',
    jobId: state.spec.id,
    why: 'no-capacity',
    reason: 'on-demand-unavailable',
    plan: planDry(at.planning),
    wakeAtMs: nowMs + settings.sweepMs,
  };
}

/** On demand that this job may take and that is said to be there, except where an ask just came to nothing; last where it did not start. */
export function onDemandOnOffer(context: Context, view: Outlook = outlook(context.market, context.nowMs, context.state.spec)): readonly Priced[] {
  const { state, nowMs, settings } = context;
  const lately = state.attempts.filter((a) => a.capacityType === 'on-demand' && (a.ended?.atMs ?? nowMs) > nowMs - settings.placementTimeoutMs);
  const dry = new Set(lately.filter((a) => a.ended?.cause === 'not-placed').map((a) => a.zone));
  const stuck = new Set(lately.filter((a) => a.stopRequested?.reason === 'not-started').map((a) => a.zone));
  const open = everyOnDemand(view).filter(({ offering }) => offering.available && !dry.has(offering.zone));
  return [...open.filter(({ offering }) => !stuck.has(offering.zone)), ...open.filter(({ offering }) => stuck.has(offering.zone))];
}

const everyOnDemand = (view: Outlook): readonly Priced[] => [...view.onDemand, ...view.onDemandUnpriced];
