// Answers the requests of one share of the scenarios. A worker thread runs this; the process (process.ts) splits and joins.

import { parentPort, workerData } from 'node:worker_threads';
import type { ForecastModels } from '../../src/engine/forecaster/model.ts';
import { act } from '../../src/simulate/act.ts';
import type { Observation, Scenario } from '../../src/simulate/protocol.ts';
import { World } from '../../src/simulate/world.ts';

export type Ask = { readonly scenarios: readonly Scenario[] } | { readonly obs: readonly Observation[] };
export interface Answer {
  readonly act: readonly string[];
  readonly decisions: number;
  readonly cpuMicroseconds: number;
}

const { models } = workerData as { readonly models: ForecastModels };
const worlds = new Map<number, World>();

parentPort?.on('message', (ask: Ask) => {
  const before = process.threadCpuUsage();
  const placements = 'scenarios' in ask ? announced(ask.scenarios) : ask.obs.map(place);
  const spent = process.threadCpuUsage(before);
  const answer: Answer = { act: placements, decisions: placements.length, cpuMicroseconds: spent.user + spent.system };
  parentPort?.postMessage(answer);
});

function announced(scenarios: readonly Scenario[]): readonly string[] {
  for (const scenario of scenarios) worlds.set(scenario.id, new World(scenario, { models }));
  return [];
}

function place(obs: Observation): string {
  const world = worlds.get(obs.id);
  if (world === undefined) throw new Error(`Scenario ${obs.id} was never announced.`);
  world.observe(obs);
  const placement = act(world, obs);
  world.acted(obs, placement);
  return placement;
}
