// A worker process that takes one alarm and never finishes it; the test kills it with -9.

import { openQueue } from '../../src/queue/open.ts';
import { quiet, wallClock } from './clock.ts';

const queue = await openQueue({ target: { url: process.argv[2] ?? '' }, patience: 'wait', clock: wallClock, log: quiet });
await queue.alarms.run(async () => {
  process.send?.('handling');
  return new Promise<never>(() => undefined);
}, new AbortController().signal);
