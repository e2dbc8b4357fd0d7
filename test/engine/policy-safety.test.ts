// The safety layer, whatever the policy inside proposes: random worlds, a policy that proposes at random (it likes what is
// worst), and a cloud that takes spot back when it hurts most. NERVE_SAFETY_WORLDS says how many.

import { describe, expect, it } from 'vitest';
import { act } from '../../src/simulate/act.ts';
import type { Observation, Scenario } from '../../src/simulate/protocol.ts';
import { type Outcome, replay, type Trace } from '../../src/simulate/replay.ts';
import { World } from '../../src/simulate/world.ts';
import { placementPolicy } from '../../src/engine/policy.ts';
import type { Policy, Proposal } from '../../src/engine/policy/proposal.ts';
import { type Random, random } from '../support/sim/random.ts';

const WORLDS = Number(process.env['NERVE_SAFETY_WORLDS'] ?? 10_000);
const BLOCK = 2500;

/** Feasible at its first look, often with nothing to spare. */
function scenarioOf(chance: Random, id: number): Scenario {
  const tickSeconds = chance.pick([60, 195, 300, 600, 1800]);
  const overheadSeconds = chance.pick([0, 30, 180, 600, 720, 2400]);
  const noisy = chance.chance(0.5);
  const noise = { overheadFactorMax: 1.5, launchFailureProbability: chance.pick([0, 0.1, 0.5]), workRateMin: chance.pick([0.8, 0.95, 1]) };
  const workSeconds = chance.pick([chance.between(10, 400), chance.between(1, 25) * tickSeconds, chance.int(1, 20) * tickSeconds]);
  const needed = noisy ? overheadSeconds * noise.overheadFactorMax + workSeconds / noise.workRateMin : overheadSeconds + workSeconds;
  const spare = chance.pick([0, 1e-4, chance.between(0, 3) * tickSeconds, chance.between(0, 30) * tickSeconds]);
  return {
    id,
    hours: workSeconds / 3600,
    deadlineHours: (needed + spare) / 3600,
    overheadSeconds,
    tickSeconds,
    zones: ['a', 'b', 'c'].slice(0, chance.int(0, 3)),
    onDemandPrice: 3,
    ...(noisy ? { noise } : {}),
  };
}

function traceOf(chance: Random, scenario: Scenario): Trace {
  const ticks = Math.ceil((scenario.deadlineHours * 3600) / scenario.tickSeconds) + 1;
  const flips = chance.pick([0.02, 0.2, 0.6]);
  const up = scenario.zones.map(() => chance.chance(0.5));
  const avail = Array.from({ length: ticks }, () => {
    up.forEach((was, z) => {
      if (chance.chance(flips)) up[z] = !was;
    });
    return up.map((u): 0 | 1 => (u ? 1 : 0));
  });
  const price = avail.map((row) => row.map(() => chance.between(0.5, 2.9)));
  const noise = scenario.noise;
  const worst = chance.chance(0.5);
  return {
    scenario,
    avail,
    price,
    chance: {
      launchFails: () => noise !== undefined && chance.chance(noise.launchFailureProbability),
      overheadFactor: () => (noise === undefined ? 1 : worst ? noise.overheadFactorMax : chance.between(1, noise.overheadFactorMax)),
      workRate: noise === undefined ? 1 : worst ? noise.workRateMin : chance.between(noise.workRateMin, 1),
    },
  };
}

/** Proposes anything, often what uses slack up. */
function whatever(chance: Random): Policy {
  const fond = chance.pick(['wait', 'spot', 'stay', 'any']);
  return ({ spot, nowMs }): Proposal => {
    const window = { startMs: nowMs + 1, zone: 'a', instanceType: 'bench', objectiveUsd: 1, costUsd: 1, carbonGrams: 1 };
    const wait: Proposal = chance.chance(0.5) ? { do: 'wait', window, greener: false } : { do: 'nothing-on-offer' };
    const start: Proposal = spot.length === 0 ? wait : { do: 'spot', ranked: [chance.pick([...spot] as [(typeof spot)[0], ...typeof spot])] };
    const stay: Proposal = { do: 'stay' };
    if (fond !== 'any' && chance.chance(0.8)) return { wait, spot: start, stay }[fond];
    return chance.pick([wait, start, stay, { do: 'on-demand' }]);
  };
}

/** `plantedMs`: the layer is told a deadline that is later by this than the one that counts. */
function run(seed: number, policy: (chance: Random) => Policy, plantedMs = 0): Outcome {
  const chance = random(seed);
  const scenario = scenarioOf(chance, seed);
  const trace = traceOf(chance, scenario);
  const world = new World({ ...scenario, deadlineHours: scenario.deadlineHours + plantedMs / 3_600_000 });
  const inside = policy(chance.fork('policy'));
  return replay(trace, (obs: Observation) => {
    world.observe(obs);
    const placement = act(world, obs, inside);
    world.acted(obs, placement);
    return placement;
  });
}

const wrong = ({ lateSeconds, moveViolations }: Outcome): boolean => lateSeconds > 1e-5 || moveViolations > 0;

describe('the safety layer', () => {
  for (let first = 1; first <= WORLDS; first += BLOCK) {
    const last = Math.min(WORLDS, first + BLOCK - 1);
    it(`is never late and never moves a third time in an hour, whatever is proposed (worlds ${first} to ${last})`, () => {
      const seeds = Array.from({ length: last - first + 1 }, (_, i) => first + i);
      expect(seeds.filter((seed) => wrong(run(seed, whatever)))).toEqual([]);
    });
  }

  it('holds for the policy that ships', () => {
    const seeds = Array.from({ length: 60 }, (_, i) => 1_000_001 + i);
    expect(seeds.filter((seed) => wrong(run(seed, () => placementPolicy)))).toEqual([]);
  });

  it('would be caught with a margin that is one tick too short', () => {
    const seeds = Array.from({ length: 200 }, (_, i) => i + 1);
    const caught = seeds.filter((seed) => run(seed, whatever, scenarioOf(random(seed), seed).tickSeconds * 1000).lateSeconds > 1e-5);
    expect(caught.length).toBeGreaterThan(20);
  });
});
