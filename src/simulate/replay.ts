// One scenario replayed tick by tick, with the semantics of score.py: what was computed in a tick is kept, a start sets the overhead
// anew, a tick that runs is charged in full, and past the deadline the rest is done on demand. `nerve simulate`, the synthetic
// benchmark and the property test of the safety layer all live in this world.

import type { Observation, Scenario } from './protocol.ts';

export interface Trace {
  readonly scenario: Scenario;
  /** [tick][zone]; the last tick's goes on. */
  readonly avail: readonly (readonly (0 | 1)[])[];
  readonly price: readonly (readonly number[])[];
  /** What a launch meets, where the scenario announces noise. */
  /** Grid, g/kWh of each tick; the scenario's `carbon` says what the machine draws. */
  readonly carbon?: readonly number[];
  readonly chance: { readonly launchFails: () => boolean; readonly overheadFactor: () => number; readonly workRate: number };
}

export interface Outcome {
  readonly usd: number;
  readonly grams: number;
  /** Seconds since the start. */
  readonly finishSeconds: number;
  readonly starts: number;
  readonly interruptions: number;
  readonly spotSeconds: number;
  readonly onDemandSeconds: number;
  /** Past the deadline, in seconds; 0 when on time. */
  readonly lateSeconds: number;
  readonly moveViolations: number;
}

export type Driver = (obs: Observation) => string;

const DONE_SECONDS = 1e-6;

interface Run {
  k: number;
  done: number;
  overhead: number;
  at: string;
  usd: number;
  finish: number | null;
  lastZone: string | null;
  moves: number[];
  violations: number;
  grams: number;
  starts: number;
  interruptions: number;
  spotSeconds: number;
  onDemandSeconds: number;
}

export function replay(trace: Trace, drive: Driver): Outcome {
  const { tickSeconds, deadlineHours } = trace.scenario;
  const deadline = deadlineHours * 3600;
  const run: Run = {
    k: 0,
    done: 0,
    overhead: 0,
    at: 'pause',
    usd: 0,
    finish: null,
    lastZone: null,
    moves: [],
    violations: 0,
    grams: 0,
    starts: 0,
    interruptions: 0,
    spotSeconds: 0,
    onDemandSeconds: 0,
  };
  while (run.finish === null && run.k * tickSeconds < deadline - 1e-9) tick(trace, run, drive);
  const finish = run.finish ?? finishOnDemand(trace, run);
  const { usd, grams, starts, interruptions, spotSeconds, onDemandSeconds, violations } = run;
  const lateSeconds = finish > deadline + DONE_SECONDS ? finish - deadline : 0;
  return { usd, grams, finishSeconds: finish, starts, interruptions, spotSeconds, onDemandSeconds, lateSeconds, moveViolations: violations };
}

const atTick = <T>(rows: readonly T[], k: number): T | undefined => rows[Math.min(k, rows.length - 1)];

function tick(trace: Trace, run: Run, drive: Driver): void {
  const { scenario } = trace;
  const avail = atTick(trace.avail, run.k) ?? [];
  const price = atTick(trace.price, run.k) ?? [];
  const preempted = run.at.startsWith('spot:') && avail[zoneIndex(scenario, run.at)] !== 1;
  if (preempted) {
    run.at = 'pause';
    run.interruptions += 1;
  }
  const t = run.k * scenario.tickSeconds;
  const asked = drive({ id: scenario.id, t, avail, price, at: run.at, preempted, done: run.done, overheadLeft: run.overhead });
  const isSpot = asked.startsWith('spot:');
  const fails = isSpot && (avail[zoneIndex(scenario, asked)] !== 1 || (asked !== run.at && trace.chance.launchFails()));
  const next = fails ? 'pause' : asked;
  if (next !== 'pause' && next !== run.at) start(trace, run, next, t);
  run.at = next;
  if (next !== 'pause') compute(trace, run, isSpot ? (price[zoneIndex(scenario, next)] ?? 0) : scenario.onDemandPrice, t);
  run.k += 1;
}

const zoneIndex = (scenario: Scenario, placement: string): number => scenario.zones.indexOf(placement.slice('spot:'.length));

function start(trace: Trace, run: Run, next: string, t: number): void {
  run.overhead = trace.scenario.overheadSeconds * trace.chance.overheadFactor();
  run.starts += 1;
  if (!next.startsWith('spot:')) return;
  const zone = next.slice('spot:'.length);
  if (run.lastZone !== null && run.lastZone !== zone) {
    run.moves = [...run.moves.filter((at) => at > t - 3600), t];
    if (run.moves.length > 2) run.violations += 1;
  }
  run.lastZone = zone;
}

function compute(trace: Trace, run: Run, usdPerHour: number, t: number): void {
  const { tickSeconds, hours } = trace.scenario;
  const { workRate } = trace.chance;
  const starting = Math.min(run.overhead, tickSeconds);
  const work = Math.min((tickSeconds - starting) * workRate, hours * 3600 - run.done);
  run.overhead = run.overhead - starting < 1e-3 ? 0 : run.overhead - starting;
  run.done += work;
  charge(trace, run, tickSeconds, usdPerHour);
  if (hours * 3600 - run.done <= DONE_SECONDS) run.finish = t + starting + work / workRate;
}

function charge(trace: Trace, run: Run, seconds: number, usdPerHour: number): void {
  const hours = seconds / 3600;
  run.usd += usdPerHour * hours;
  run.grams += (trace.scenario.carbon?.kW ?? 0) * hours * (atTick(trace.carbon ?? [], run.k) ?? 0);
  if (run.at === 'on-demand') run.onDemandSeconds += seconds;
  else run.spotSeconds += seconds;
}

/** Past the deadline the rest is done on demand, and charged. */
function finishOnDemand(trace: Trace, run: Run): number {
  const { scenario, chance } = trace;
  const seconds = (scenario.hours * 3600 - run.done) / chance.workRate + (run.at === 'on-demand' ? 0 : scenario.overheadSeconds);
  run.at = 'on-demand';
  charge(trace, run, Math.ceil(seconds / scenario.tickSeconds) * scenario.tickSeconds, scenario.onDemandPrice);
  return run.k * scenario.tickSeconds + seconds;
}
