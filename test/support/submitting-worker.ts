// A process that submits many jobs and says which ids it was answered; the test kills it with -9 in the middle.

import { openQueue } from '../../src/queue/open.ts';
import { newJobs } from './build.ts';
import { quiet, wallClock } from './clock.ts';

const queue = await openQueue({ target: { url: process.argv[2] ?? '' }, patience: 'fail-fast', clock: wallClock, log: quiet });
for await (const { accepted } of queue.submitMany(newJobs(Number(process.argv[3])))) process.send?.(accepted);
await queue.close();
