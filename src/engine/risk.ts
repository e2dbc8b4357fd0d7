// What a plan on spot risks: how likely it is that spot alone carries the job to its end, what it costs if not, and at worst.
//
// Played out a few hundred times: zones lose spot and get it back as hazard.ts says (as learned of this market where its comings and goings
// were watched), the job runs wherever there is spot, and goes on demand when the deadline asks for it. The chance is a fixed sequence of
// numbers, so the same snapshot always gives the same answer.

import { crowdFactor, type HazardLaw, hazardUpTo, LOSS, RETURN } from './policy/hazard.ts';
import { type LearnedPool, learnOnce } from './policy/learn.ts';
import type { AvailabilityHistory, EngineSettings, MarketView } from './snapshot.ts';

const HOUR_MS = 3_600_000;
const PLAYS = 300;
const MOST_STEPS = 200;
const LEAST_STEP_HOURS = 1 / 6;

export interface Risk {
  /** 0..1. */
  readonly spotAlone: number;
  readonly interruptions: number;
  /** On-demand hours included, as often as they come to be needed. */
  readonly expectedCostUsd: number;
  /** Spot lost again and again until on demand must be taken, and then all the work on demand. */
  readonly worstCostUsd: number;
  /** From then on it runs on demand if nothing of it is done. */
  readonly onDemandFromMs: number;
  /** `observed`: this market's spot was watched; `typical`: as it is elsewhere. */
  readonly basis: 'observed' | 'typical';
}

export interface RiskQuestion {
  readonly market: MarketView;
  readonly settings: EngineSettings;
  readonly zones: readonly string[];
  readonly instanceType: string;
  readonly startMs: number;
  readonly nowMs: number;
  readonly workMs: number;
  readonly startOverheadMs: number;
  /** Last instant at which a spot start is safe with all the work to do. */
  readonly spotSafeUntilMs: number;
  readonly spotUsdPerHour: number;
  readonly onDemandUsdPerHour: number;
}

export function riskOf(question: RiskQuestion): Risk {
  const { workMs, startOverheadMs, startMs, spotSafeUntilMs, spotUsdPerHour, onDemandUsdPerHour } = question;
  const { pools, basis } = poolsFor(question);
  const work = workMs / HOUR_MS;
  const start = startOverheadMs / HOUR_MS;
  const slack = Math.max(0, (spotSafeUntilMs - startMs) / HOUR_MS);
  const step = Math.max(LEAST_STEP_HOURS, (work + slack + start) / MOST_STEPS);
  const chance = sequence();
  const hazards = hazardsOf(pools, step);
  let alone = 0;
  let interruptions = 0;
  let usd = 0;
  for (let i = 0; i < PLAYS; i++) {
    const played = play(hazards, { work, start, slack, step }, chance);
    if (played.onDemandHours === 0) alone += 1;
    interruptions += played.interruptions;
    usd += played.spotHours * spotUsdPerHour + played.onDemandHours * onDemandUsdPerHour;
  }
  return {
    spotAlone: alone / PLAYS,
    interruptions: interruptions / PLAYS,
    expectedCostUsd: usd / PLAYS,
    worstCostUsd: slack * spotUsdPerHour + (work + start) * onDemandUsdPerHour,
    onDemandFromMs: spotSafeUntilMs,
    basis,
  };
}

function poolsFor({ market, settings, zones, instanceType, nowMs }: RiskQuestion): {
  readonly pools: readonly LearnedPool[];
  readonly basis: Risk['basis'];
} {
  const watched = (market.availability ?? []).filter((h) => h.instanceType === instanceType && zones.includes(h.zone));
  const offered = market.offerings.filter((o) => o.capacityType === 'spot' && o.instanceType === instanceType && zones.includes(o.zone));
  const histories = offered.map(
    (o): AvailabilityHistory =>
      watched.find((h) => h.zone === o.zone) ?? {
        zone: o.zone,
        instanceType,
        observedFromMs: nowMs,
        availableAtFirst: o.available,
        changesMs: [],
        observedEveryMs: settings.sweepMs,
      },
  );
  return { pools: learnOnce(market, histories, nowMs), basis: watched.length > 0 ? 'observed' : 'typical' };
}

interface Played {
  readonly spotHours: number;
  readonly onDemandHours: number;
  readonly interruptions: number;
}

interface Lengths {
  readonly work: number;
  readonly start: number;
  readonly slack: number;
  readonly step: number;
}

/** Of a zone: the hazard of each step to come, as it stands now; and after each change, of spot that has just come or gone. */
interface Hazards {
  readonly up: boolean;
  readonly first: Float64Array;
  readonly loss: Float64Array;
  readonly back: Float64Array;
}

function hazardsOf(pools: readonly LearnedPool[], step: number): readonly Hazards[] {
  const stood = (law: HazardLaw, fromHours: number, factor: number): Float64Array =>
    Float64Array.from({ length: MOST_STEPS * 2 }, (_, i) => {
      const age = fromHours + i * step;
      return factor * (hazardUpTo(law, age + step) - hazardUpTo(law, age));
    });
  return pools.map(({ up, ageHours, lossFactor, returnFactor }) => ({
    up,
    first: up ? stood(LOSS, ageHours, lossFactor) : stood(RETURN, ageHours, returnFactor),
    loss: stood(LOSS, step / 2, lossFactor),
    back: stood(RETURN, step / 2, returnFactor),
  }));
}

function play(hazards: readonly Hazards[], { work, start, slack, step }: Lengths, chance: () => number): Played {
  const zones = hazards.map((of) => ({ of, up: of.up, table: of.first, index: 0 }));
  let left = work;
  let reserve = slack;
  let pending = 0;
  let at = -1;
  let spotHours = 0;
  let interruptions = 0;
  while (left > 1e-9) {
    if (at < 0) {
      const next = zones.findIndex((zone) => zone.up);
      // Waiting and starting use slack up; without slack the rest is done on demand.
      if (reserve < (next < 0 ? step : start) - 1e-9) return { spotHours, onDemandHours: left + start, interruptions };
      if (next >= 0) {
        at = next;
        pending = start;
        reserve -= start;
      } else reserve -= step;
    }
    if (at >= 0) {
      const computed = Math.min(left, Math.max(0, step - pending));
      spotHours += Math.min(step, pending + computed);
      pending = Math.max(0, pending - step);
      left -= computed;
    }
    const up = zones.filter((zone) => zone.up).length;
    zones.forEach((zone, z) => {
      const stood = zone.table[Math.min(zone.index, zone.table.length - 1)] ?? 0;
      const factor = crowdFactor(zone.up ? LOSS : RETURN, up - (zone.up ? 1 : 0), zones.length - 1);
      if (chance() >= 1 - Math.exp(-factor * stood)) {
        zone.index += 1;
        return;
      }
      zone.up = !zone.up;
      zone.table = zone.up ? zone.of.loss : zone.of.back;
      zone.index = 0;
      if (at !== z || left <= 1e-9) return;
      at = -1;
      interruptions += 1;
    });
  }
  return { spotHours, onDemandHours: 0, interruptions };
}

/** Always the same numbers (mulberry32). */
function sequence(): () => number {
  let state = 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
