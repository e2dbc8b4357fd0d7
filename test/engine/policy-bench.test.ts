// The benchmark scores production's decide() and no policy of its own: what it answers for an observation is what decide()
// answers for the record of such a job, with the same market and the same rules.

import { describe, expect, it } from 'vitest';
import { act } from '../../src/simulate/act.ts';
import type { Observation, Scenario } from '../../src/simulate/protocol.ts';
import { World } from '../../src/simulate/world.ts';
import { decide } from '../../src/engine/decide.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import { launched, record, seen } from '../support/build.ts';

const HOUR_S = 3600;
const scenario: Scenario = {
  id: 0,
  hours: 10,
  deadlineHours: 15,
  overheadSeconds: 180,
  tickSeconds: 300,
  zones: ['a', 'b'],
  onDemandPrice: 3,
};

/** Zone a comes and goes every two hours; b is dearer and goes in the fourth hour. */
function observation(t: number, at: string, done: number, overheadLeft = 0): Observation {
  const a = Math.floor(t / (2 * HOUR_S)) % 2 === 0 ? 1 : 0;
  const b = Math.floor(t / HOUR_S) === 3 ? 0 : 1;
  return { id: 0, t, avail: [a, b], price: [0.9, 1.1], at, preempted: false, done, overheadLeft };
}

/** A world that has watched up to here. */
function watched(last: Observation): World {
  const world = new World(scenario);
  for (let t = 0; t < last.t; t += scenario.tickSeconds) world.observe(observation(t, 'pause', 0));
  world.observe(last);
  return world;
}

/** What decide() does with a record that holds the same facts. */
function decided(world: World, obs: Observation, capacityType: 'spot' | 'on-demand' | null) {
  const { state, attempts } = world.job(obs);
  const nowMs = obs.t * 1000;
  const zone = obs.at.startsWith('spot:') ? obs.at.slice('spot:'.length) : 'a';
  const checkpoint = { id: 'tick', step: 0, bytes: 0, durationMs: 0, sealedAtMs: nowMs, final: false };
  const began = nowMs - HOUR_S * 1000;
  const events: JobEvent[] =
    capacityType === null
      ? []
      : [
          { ...launched(1, zone, began), instanceType: 'bench', capacityType } as JobEvent,
          { type: 'resumed', atMs: began + scenario.overheadSeconds * 1000, attempt: 1, step: 0, epoch: 1, checkpointId: null },
          { type: 'checkpointed', atMs: nowMs, attempt: 1, checkpoint, progress: state.lastProgress },
        ];
  const rec = record(events, state.spec);
  const observed = attempts.map((o) => ({ ...seen(1, o), jobId: state.spec.id }));
  return decide({ nowMs, market: world.market(obs), settings: world.settingsNow(), jobs: [{ record: rec, attempts: observed }] });
}

describe('the benchmark process', () => {
  it('answers for a job that has not started what decide() answers for its record', () => {
    for (const hour of [0, 1, 2.5, 3.2, 4]) {
      const obs = observation(hour * HOUR_S, 'pause', 0);
      const world = watched(obs);
      const [decision] = decided(world, obs, null);
      const placement =
        decision?.do === 'launch' ? (decision.ranked[0]?.capacityType === 'spot' ? `spot:${decision.ranked[0].zone}` : 'on-demand') : 'pause';
      expect(act(world, obs)).toBe(placement);
    }
  });

  it('lets a running job go on exactly where decide() keeps it, and moves it where decide() stops it', () => {
    const answers = [
      ['spot:b', 'spot'],
      ['spot:a', 'spot'],
      ['on-demand', 'on-demand'],
    ] as const;
    const kept: boolean[] = [];
    for (const [at, capacityType] of answers) {
      for (const hour of [1.5, 4.25, 4.5, 5.5]) {
        const obs = observation(hour * HOUR_S, at, (hour - 1) * HOUR_S);
        const world = watched(obs);
        const [decision] = decided(world, obs, capacityType);
        expect(['keep', 'stop']).toContain(decision?.do);
        expect(act(world, obs) === at).toBe(decision?.do === 'keep');
        kept.push(decision?.do === 'keep');
      }
    }
    expect(new Set(kept).size).toBe(2);
  });

  it('says the same twice, and the same for a world that was built anew', () => {
    for (let hour = 0; hour < 14; hour += 0.5) {
      const obs = observation(hour * HOUR_S, 'pause', Math.max(0, hour - 4.5) * HOUR_S);
      expect(act(watched(obs), obs)).toBe(act(watched(obs), obs));
    }
  });
});
