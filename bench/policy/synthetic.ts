// Synthetic markets, seeded: spot that comes and goes as hazard.ts says, with rates and prices drawn per zone. No optimum is
// known here, so the reference is a bound that no policy can beat: every hour of work on the cheapest spot that is ever there.

import { random, type Random } from '../../test/support/sim/random.ts';
import { hazardAt, LOSS, RETURN } from '../../src/engine/policy/hazard.ts';
import { act } from '../../src/simulate/act.ts';
import type { Scenario } from '../../src/simulate/protocol.ts';
import { type Outcome, replay, type Trace } from '../../src/simulate/replay.ts';
import type { Family, Score } from './score.ts';
import { World } from '../../src/simulate/world.ts';

const RUNS_PER_FAMILY = 24;
const ON_DEMAND_USD = 3;

export function scoreSynthetic(): Score {
  const before = { at: performance.now(), cpu: process.cpuUsage() };
  let decisions = 0;
  const families = [1, 2, 3].map((zones): Family => {
    const runs = Array.from({ length: RUNS_PER_FAMILY }, (_, i) => {
      const trace = traceOf(random(1000 * zones + i), zones);
      const world = new World(trace.scenario);
      const outcome = replay(trace, (obs) => {
        decisions += 1;
        world.observe(obs);
        const placement = act(world, obs);
        world.acted(obs, placement);
        return placement;
      });
      return { outcome, trace };
    });
    return familyOf(zones, runs);
  });
  const cpu = process.cpuUsage(before.cpu);
  return {
    kind: 'synthetic',
    title: 'Synthetic markets',
    reference: 'a bound that cannot be reached (all work on the cheapest spot seen)',
    families,
    headlinePct: families.reduce((sum, f) => sum + f.gapPct, 0) / families.length,
    microsecondsPerDecision: (cpu.user + cpu.system) / decisions,
    seconds: (performance.now() - before.at) / 1000,
  };
}

function familyOf(zones: number, runs: readonly { readonly outcome: Outcome; readonly trace: Trace }[]): Family {
  const mean = (of: (run: (typeof runs)[number]) => number): number => runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  return {
    name: `${zones} zone${zones === 1 ? '' : 's'}`,
    scenarios: runs.length,
    gapPct: 100 * (mean(({ outcome, trace }) => outcome.usd / (trace.scenario.hours * cheapestSeen(trace))) - 1),
    toOnDemand: mean(({ outcome, trace }) => outcome.usd / (trace.scenario.hours * ON_DEMAND_USD)),
    misses: runs.filter(({ outcome }) => outcome.lateSeconds > 0).length,
    moveViolations: runs.reduce((sum, { outcome }) => sum + outcome.moveViolations, 0),
  };
}

function cheapestSeen({ avail, price }: Trace): number {
  return Math.min(ON_DEMAND_USD, ...avail.flatMap((row, k) => row.flatMap((up, z) => (up === 1 ? [price[k]?.[z] ?? ON_DEMAND_USD] : []))));
}

function traceOf(chance: Random, zoneCount: number): Trace {
  const scenario: Scenario = {
    id: 0,
    hours: 12,
    deadlineHours: chance.pick([14, 18, 24]),
    overheadSeconds: chance.pick([180, 720]),
    tickSeconds: 300,
    zones: ['a', 'b', 'c'].slice(0, zoneCount),
    onDemandPrice: ON_DEMAND_USD,
  };
  const ticks = (scenario.deadlineHours * 3600) / scenario.tickSeconds;
  const zones = scenario.zones.map(() => ({
    up: chance.chance(0.5),
    ageHours: chance.between(0, 4),
    usd: chance.between(0.8, 1.4),
    loss: chance.pick([0.5, 1, 3]),
    back: chance.pick([0.5, 1, 2]),
  }));
  const stepHours = scenario.tickSeconds / 3600;
  const avail = Array.from({ length: ticks }, () =>
    zones.map((zone): 0 | 1 => {
      const perHour = zone.up ? zone.loss * hazardAt(LOSS, zone.ageHours + stepHours) : zone.back * hazardAt(RETURN, zone.ageHours + stepHours);
      if (chance.chance(1 - Math.exp(-perHour * stepHours))) Object.assign(zone, { up: !zone.up, ageHours: 0 });
      else zone.ageHours += stepHours;
      return zone.up ? 1 : 0;
    }),
  );
  return {
    scenario,
    avail,
    price: avail.map(() => zones.map((zone) => zone.usd)),
    chance: { launchFails: () => false, overheadFactor: () => 1, workRate: 1 },
  };
}
