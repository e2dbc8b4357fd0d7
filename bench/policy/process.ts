// `npm run -s bench:policy-process`: the placement policy of production behind the protocol of score.py (JSON lines on
// stdin and stdout). Everything that decides is decide(); this room only translates. The scenarios of a tick do not depend on
// each other, so they are shared out among threads. NERVE_MODEL names a trained forecast of the grid (npm run bench:train-carbon).

import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { readForecastModel } from '../../src/engine/forecaster/parse.ts';
import type { ForecastModels } from '../../src/engine/forecaster/model.ts';
import type { Answer, Ask } from './answer.ts';
import type { Request } from './request.ts';

const models = trained(process.env['NERVE_MODEL']);
const threads = Array.from(
  { length: Math.min(4, availableParallelism()) },
  () => new Worker(new URL('./answer.ts', import.meta.url), { workerData: { models } }),
);
let decisions = 0;
let cpuMicroseconds = 0;

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  if (request.type === 'end') break;
  process.stdout.write(`${JSON.stringify(await answer(request))}\n`);
}
console.error(`${decisions} decisions, ${(cpuMicroseconds / Math.max(1, decisions)).toFixed(0)} us each`);
process.exit(0);

/** A model that is refused is said, and the fallback plays: production does the same. */
function trained(path: string | undefined): ForecastModels {
  if (path === undefined || path === '') return {};
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    console.error(`NERVE_MODEL ${path} cannot be read: 7-day mean with level instead.`);
    return {};
  }
  const read = readForecastModel(text, 'carbon', null);
  if ('model' in read) return { carbon: read.model };
  console.error(`NERVE_MODEL ${path} is not used: ${read.refused}. 7-day mean with level instead.`);
  return {};
}

async function answer(request: Exclude<Request, { type: 'end' }>): Promise<object> {
  if (request.type === 'init') {
    await ask(request.scenarios, (scenarios) => ({ scenarios }));
    return { type: 'ready', name: 'nerve' };
  }
  return { type: 'act', n: request.n, act: await ask(request.obs, (obs) => ({ obs })) };
}

/** Each thread always gets the same scenarios; what it answers comes back in the order of `items`. */
async function ask<T extends { readonly id: number }>(items: readonly T[], wrap: (share: readonly T[]) => Ask): Promise<readonly string[]> {
  const joined: string[] = [];
  const asked = threads.map(async (thread, t) => {
    const mine = items.flatMap((item, index) => (item.id % threads.length === t ? [index] : []));
    if (mine.length === 0) return;
    thread.postMessage(wrap(mine.map((index) => items[index] as T)));
    const [answered] = (await once(thread, 'message')) as [Answer];
    decisions += answered.decisions;
    cpuMicroseconds += answered.cpuMicroseconds;
    answered.act.forEach((placement, i) => {
      joined[mine[i] as number] = placement;
    });
  });
  await Promise.all(asked);
  return joined;
}
