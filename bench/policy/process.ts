// `npm run -s bench:policy-process`: the placement policy of production behind the protocol of score.py (JSON lines on
// stdin and stdout). Everything that decides is decide(); this room only translates. The scenarios of a tick do not depend on
// each other, so they are shared out among threads.

import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import type { Answer, Ask } from './answer.ts';
import type { Request } from './protocol.ts';

const threads = Array.from({ length: Math.min(4, availableParallelism()) }, () => new Worker(new URL('./answer.ts', import.meta.url)));
let decisions = 0;
let cpuMicroseconds = 0;

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  if (request.type === 'end') break;
  process.stdout.write(`${JSON.stringify(await answer(request))}\n`);
}
console.error(`${decisions} decisions, ${(cpuMicroseconds / Math.max(1, decisions)).toFixed(0)} us each`);
process.exit(0);

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
