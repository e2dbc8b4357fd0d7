// What may drive a replay: production's decide(), and what it is compared with. The rules of greedy and Uniform Progress are those of
// the benchmark that published them, with its safety net: on demand once waiting one more tick would be unsafe.

import { act } from './act.ts';
import { hindsight } from './hindsight.ts';
import type { Observation, Scenario } from './protocol.ts';
import type { Driver, Trace } from './replay.ts';
import { World, type WorldOptions } from './world.ts';

export const POLICIES = ['nerve', 'on-demand', 'greedy', 'uniform-progress', 'hindsight'] as const;
export type PolicyName = (typeof POLICIES)[number];

export function driverOf(name: PolicyName, trace: Trace, options: WorldOptions): Driver {
  switch (name) {
    case 'nerve':
      return nerve(trace.scenario, options);
    case 'on-demand':
      return () => 'on-demand';
    case 'greedy':
      return greedy(trace.scenario);
    case 'uniform-progress':
      return uniformProgress(trace.scenario);
    case 'hindsight':
      return hindsight(trace);
  }
}

function nerve(scenario: Scenario, options: WorldOptions): Driver {
  const world = new World(scenario, options);
  return (obs) => {
    world.observe(obs);
    const placement = act(world, obs);
    world.acted(obs, placement);
    return placement;
  };
}

function greedy(scenario: Scenario): Driver {
  return (obs) => net(scenario, obs) ?? cheapest(scenario, obs) ?? 'pause';
}

/** Can't Be Late (NSDI 2024), section 5.2.2: behind the straight line, on demand; else any spot, or nothing. */
function uniformProgress(scenario: Scenario): Driver {
  const line = scenario.hours / scenario.deadlineHours;
  return (obs) => {
    const safe = net(scenario, obs);
    if (safe !== null) return safe;
    const spot = cheapest(scenario, obs);
    if (obs.at === 'on-demand') return obs.done >= line * (obs.t + 2 * scenario.overheadSeconds) ? (spot ?? 'pause') : 'on-demand';
    return spot ?? (obs.done < line * obs.t ? 'on-demand' : 'pause');
  };
}

/** On demand (or, nearly done, the spot that it has) when nothing else is safe; null while there is room. */
function net({ hours, deadlineHours, overheadSeconds, tickSeconds }: Scenario, obs: Observation): string | null {
  const work = hours * 3600 - obs.done;
  const left = Math.floor((deadlineHours * 3600 - obs.t) / tickSeconds + 1e-9);
  const ticks = (starts: number): number => Math.ceil((work + starts * overheadSeconds) / tickSeconds - 1e-9);
  if (left - 1 >= ticks(2)) return null;
  return obs.at.startsWith('spot:') && left > ticks(1) ? obs.at : 'on-demand';
}

function cheapest({ zones }: Scenario, obs: Observation): string | null {
  if (obs.at.startsWith('spot:')) return obs.at;
  let best: number | null = null;
  zones.forEach((_, z) => {
    if (obs.avail[z] === 1 && (best === null || (obs.price[z] ?? Infinity) < (obs.price[best] ?? Infinity))) best = z;
  });
  return best === null ? null : `spot:${zones[best] ?? ''}`;
}
