// A worker process that is stopped while it handles an alarm (the test sends SIGSTOP and SIGCONT), and then answers "again at once".

import { openQueue } from '../../src/queue/open.ts';
import { quiet, wallClock } from './clock.ts';

const queue = await openQueue({ target: { url: process.argv[2] ?? '' }, patience: 'wait', clock: wallClock, log: quiet });
const stop = new AbortController();
const running = queue.alarms.run(async () => {
  process.send?.('handling');
  await new Promise((resolve) => process.once('message', resolve));
  stop.abort();
  return Date.now();
}, stop.signal);
await running;
await queue.close();
process.disconnect();
