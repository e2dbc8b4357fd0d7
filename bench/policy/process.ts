// `npm run -s bench:policy-process`: the placement policy of production behind the protocol of score.py (JSON lines on
// stdin and stdout). Everything that decides is decide(); this room only translates.

import { createInterface } from 'node:readline';
import { act } from './act.ts';
import type { Request } from './protocol.ts';
import { World } from './world.ts';

const worlds = new Map<number, World>();
let decisions = 0;
let decidingMs = 0;

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  if (request.type === 'end') break;
  process.stdout.write(`${JSON.stringify(answer(request))}\n`);
}
console.error(`${decisions} decisions, ${((decidingMs / Math.max(1, decisions)) * 1000).toFixed(0)} us each`);
process.exit(0);

function answer(request: Exclude<Request, { type: 'end' }>): object {
  if (request.type === 'init') {
    for (const scenario of request.scenarios) worlds.set(scenario.id, new World(scenario));
    return { type: 'ready', name: 'nerve' };
  }
  const sinceMs = performance.now();
  const placements = request.obs.map((obs) => {
    const world = worlds.get(obs.id);
    if (world === undefined) throw new Error(`Scenario ${obs.id} was never announced.`);
    world.observe(obs);
    const placement = act(world, obs);
    world.acted(obs, placement);
    return placement;
  });
  decidingMs += performance.now() - sinceMs;
  decisions += placements.length;
  return { type: 'act', n: request.n, act: placements };
}
