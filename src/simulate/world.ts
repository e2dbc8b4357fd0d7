// What a scenario looks like to the engine. One object a scenario: it remembers what an observer of that world would have
// seen so far (when spot came and went, which starts came true, the grid, the speed of work) and states it as a snapshot.

import type { ForecastModels } from '../engine/forecaster/model.ts';
import type { JobSpec } from '../engine/job.ts';
import { pendingAttempt } from '../engine/pending.ts';
import type { AvailabilityHistory, EngineSettings, MarketView, ObservedAttempt, Offering, Series } from '../engine/snapshot.ts';
import type { AttemptState, JobState } from '../engine/state.ts';
import type { Observation, Scenario } from './protocol.ts';

/** There is one machine type in these worlds. */
export const TYPE = 'bench';
/** Free capacity has a price that is no price, so that the engine takes it for an offer. */
export const NEARLY_FREE_USD = 1e-9;

export interface WorldOptions {
  readonly models?: ForecastModels;
  /** The instant at which the scenario's time is 0. */
  readonly originMs?: number;
  /** The market as everybody sees it, where several jobs share one; else what this scenario's own observations show. */
  readonly marketAt?: ((nowMs: number) => MarketView) | null;
}

type Growing = { -readonly [K in keyof AvailabilityHistory]: AvailabilityHistory[K] } & { changesMs: number[] };

export class World {
  readonly scenario: Scenario;
  private readonly spec: JobSpec;
  private readonly models: ForecastModels;
  private readonly originMs: number;
  private readonly marketAt: WorldOptions['marketAt'] | null;
  private readonly settings: EngineSettings;
  private readonly availability: Growing[] = [];
  private readonly carbon: number[];
  private carbonSteps = 0;
  private series: Series | null = null;
  private readonly moves: { atMs: number; zone: string }[] = [];
  private lastZone: string | null = null;
  private asked: { readonly zone: string; readonly atMs: number } | null = null;
  private rate: number;
  private before: { readonly obs: Observation; readonly stayed: boolean } | null = null;

  constructor(scenario: Scenario, { models = {}, originMs = 0, marketAt = null }: WorldOptions = {}) {
    this.scenario = scenario;
    this.models = models;
    this.originMs = originMs;
    this.marketAt = marketAt;
    const { noise, carbon, tickSeconds, overheadSeconds } = scenario;
    this.carbon = [...(carbon?.history ?? [])];
    this.rate = noise === undefined ? 1 : (1 + noise.workRateMin) / 2;
    this.spec = specOf(scenario, originMs);
    this.settings = {
      sweepMs: tickSeconds * 1000,
      noticeMs: 0,
      onDemandLeadMs: 0,
      startOverheadMs: overheadSeconds * 1000,
      maxUnsavedMs: 0,
      marginMs: 0,
      placementTimeoutMs: 0,
      startTimeoutMs: 600_000,
      maxMoves: 2,
      moveWindowMs: 3_600_000,
      minHoldSaving: 0.02,
      minMoveSaving: 0.1,
    };
  }

  nowMs(obs: Observation): number {
    return this.originMs + obs.t * 1000;
  }

  /** Takes an observation in. */
  observe(obs: Observation): void {
    if (this.marketAt === null) {
      this.seeSpot(obs, this.nowMs(obs));
      this.seeGrid(obs);
    }
    this.seeStart(obs);
    this.seeSpeed(obs);
  }

  private seeSpot(obs: Observation, nowMs: number): void {
    this.scenario.zones.forEach((zone, i) => {
      const available = obs.avail[i] === 1;
      const known = this.availability[i];
      if (known === undefined) {
        this.availability.push({
          zone,
          instanceType: TYPE,
          observedFromMs: nowMs,
          availableAtFirst: available,
          changesMs: [],
          observedEveryMs: this.scenario.tickSeconds * 1000,
        });
      } else if (available !== (known.changesMs.length % 2 === 0 ? known.availableAtFirst : !known.availableAtFirst)) {
        known.changesMs.push(nowMs);
      }
    });
  }

  private seeGrid(obs: Observation): void {
    const { carbon } = this.scenario;
    if (carbon === undefined || carbon === null || obs.ci === undefined) return;
    const needed = Math.floor(obs.t / carbon.stepSeconds + 1e-9) + 1;
    for (; this.carbonSteps < needed; this.carbonSteps++) {
      this.carbon.push(obs.ci);
      this.series = null;
    }
  }

  /** A start counts once it was seen to succeed. */
  private seeStart(obs: Observation): void {
    if (this.asked !== null && (obs.at === `spot:${this.asked.zone}` || obs.preempted)) {
      if (this.lastZone !== null && this.lastZone !== this.asked.zone) this.moves.push(this.asked);
      this.lastZone = this.asked.zone;
    }
    this.asked = null;
  }

  private seeSpeed(obs: Observation): void {
    const { noise, tickSeconds } = this.scenario;
    if (noise === undefined || this.before === null || !this.before.stayed) return;
    const { obs: was } = this.before;
    if (was.overheadLeft > 0 || obs.overheadLeft > 0) return;
    const rate = (obs.done - was.done) / tickSeconds;
    if (rate >= noise.workRateMin - 1e-6 && rate <= 1.0001) this.rate = rate;
  }

  /** What was answered: a spot start is looked for in the next observation. */
  acted(obs: Observation, act: string): void {
    if (act.startsWith('spot:') && act !== obs.at) this.asked = { zone: act.slice('spot:'.length), atMs: this.nowMs(obs) };
    this.before = { obs, stayed: act === obs.at && act !== 'pause' };
  }

  settingsNow(): EngineSettings {
    const { noise } = this.scenario;
    return {
      ...this.settings,
      ticks: {
        tickMs: this.scenario.tickSeconds * 1000,
        overheadFactorMax: noise?.overheadFactorMax ?? 1,
        workRateMin: noise?.workRateMin ?? 1,
        workRateExpected: this.rate,
        launchFailureProbability: noise?.launchFailureProbability ?? 0,
      },
    };
  }

  market(obs: Observation): MarketView {
    if (this.marketAt !== null && this.marketAt !== undefined) return this.marketAt(this.nowMs(obs));
    const { zones, onDemandPrice, carbon } = this.scenario;
    const kw = carbon?.kW ?? 0;
    const pricedAtMs = this.nowMs(obs);
    const offer = (zone: string, capacityType: 'spot' | 'on-demand', usd: number, available: boolean): Offering => ({
      zone,
      instanceType: TYPE,
      capacityType,
      priceUsdPerHour: Math.max(usd, NEARLY_FREE_USD),
      pricedAtMs,
      available,
      facilityPowerKw: kw,
    });
    const offerings = zones.map((zone, i) => offer(zone, 'spot', obs.price[i] ?? onDemandPrice, obs.avail[i] === 1));
    for (const zone of zones.length === 0 ? ['anywhere'] : zones) offerings.push(offer(zone, 'on-demand', onDemandPrice, true));
    return {
      region: 'bench',
      simulated: [],
      offerings,
      spotHistory: [],
      availability: this.availability,
      carbon: { gramsPerKwh: obs.ci ?? 0, signal: 'average', source: 'bench', readAtMs: pricedAtMs, history: this.grid(obs) },
      models: this.models,
    };
  }

  /** The history given at first and what was seen since, without the step that has just begun. Nothing is forgotten: a forecast as it stood hours ago needs its whole week. */
  private grid(obs: Observation): Series {
    const stepMs = (this.scenario.carbon?.stepSeconds ?? 1800) * 1000;
    const beganMs = this.originMs + Math.floor((obs.t * 1000) / stepMs + 1e-9) * stepMs;
    const known = this.carbon.slice(0, -1);
    this.series ??= { startMs: beganMs - known.length * stepMs, stepMs, values: known };
    return this.series;
  }

  /** The job as its record would fold: what runs is its only attempt, and its checkpoint is of this very tick. */
  job(obs: Observation, at: string = obs.at): { readonly state: JobState; readonly attempts: readonly ObservedAttempt[] } {
    const attempt = at === 'pause' ? null : this.attempt(obs, at);
    const remainingMs = this.spec.workMs - obs.done * 1000;
    const progress = { step: 0, totalSteps: null, remainingMs };
    const state: JobState = {
      spec: this.spec,
      deadlineMs: this.spec.deadlineMs,
      version: 1,
      lastEventAtMs: this.nowMs(obs),
      phase: attempt === null ? 'held' : 'running',
      heldWhy: attempt === null ? 'window' : null,
      heldReason: null,
      attempts: attempt === null ? [] : [attempt],
      pausedByUser: false,
      releaseRequested: false,
      cancelRequested: false,
      podsGone: false,
      moveRequestedAtMs: null,
      costUsd: 0,
      failures: 0,
      plan: null,
      moves: this.moves,
      lastZone: this.lastZone,
      lastProgress: progress,
      lastCheckpoint: attempt?.lastCheckpoint ?? null,
      measuredStartOverheadMs: null,
      finished: null,
    };
    return { state, attempts: attempt === null ? [] : [observed(attempt, progress, this.nowMs(obs))] };
  }

  private attempt(obs: Observation, at: string): AttemptState {
    const nowMs = this.nowMs(obs);
    const starting = obs.overheadLeft > 0;
    return {
      attempt: 1,
      zone: at.startsWith('spot:') ? at.slice('spot:'.length) : (this.scenario.zones[0] ?? 'anywhere'),
      instanceType: TYPE,
      capacityType: at.startsWith('spot:') ? 'spot' : 'on-demand',
      priceUsdPerHour: 0,
      // So that what is left of the start comes out as it is.
      launchedAtMs: nowMs - this.settings.startOverheadMs + obs.overheadLeft * 1000,
      reason: 'cheapest-now',
      handover: null,
      resumed: starting ? null : { atMs: nowMs, step: 0, epoch: 1, checkpointId: null },
      noticed: null,
      stopRequested: null,
      lastCheckpoint: { id: 'tick', step: 0, bytes: 0, durationMs: 0, sealedAtMs: nowMs, final: false },
      ended: null,
    };
  }
}

function specOf(scenario: Scenario, originMs: number): JobSpec {
  return {
    id: `j-${scenario.id}`,
    name: 'bench',
    submittedAtMs: originMs,
    deadlineMs: originMs + scenario.deadlineHours * 3_600_000,
    workMs: scenario.hours * 3_600_000,
    workSource: 'user',
    optimize: 'cost',
    carbonPriceUsdPerTonne: (scenario.carbon?.usdPerKg ?? 0) * 1000,
    maxPriceUsdPerHour: null,
    zones: null,
    instanceTypes: [TYPE],
    retries: 0,
    checkpointUri: 'file:///bench',
    program: { kind: 'process', command: [], cwd: '/' },
  };
}

function observed(attempt: AttemptState, progress: JobState['lastProgress'], nowMs: number): ObservedAttempt {
  const { zone, capacityType, launchedAtMs, resumed, lastCheckpoint } = attempt;
  const place = { zone, instanceType: TYPE, capacityType, priceUsdPerHour: 0 };
  return {
    ...pendingAttempt({ name: 'nerve-bench-a1', jobId: 'j-bench', attempt: 1 }, place, launchedAtMs),
    phase: 'running',
    placedAtMs: launchedAtMs,
    resumed,
    progress: progress === null ? null : { ...progress, atMs: nowMs },
    lastCheckpoint,
  };
}
