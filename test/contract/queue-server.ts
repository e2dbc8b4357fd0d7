// One real Redis for a contract file, and the queue opened on it as often as a test needs processes.

import { Redis } from 'ioredis';
import { type OpenQueue, openQueue } from '../../src/queue/open.ts';
import { quiet, wallClock } from '../support/clock.ts';
import { type TestRedis, testRedis } from '../support/redis.ts';

export interface QueueServer {
  readonly redis: TestRedis;
  readonly admin: Redis;
  /** As one more process. `wait`: a worker's; `fail-fast`: a command's. */
  open(patience?: 'wait' | 'fail-fast'): Promise<OpenQueue>;
  empty(): Promise<void>;
  stop(): Promise<void>;
}

export async function queueServer(): Promise<QueueServer> {
  const redis = await testRedis();
  const admin = new Redis({ path: redis.url });
  admin.on('error', () => undefined);
  return {
    redis,
    admin,
    open: (patience = 'wait') => openQueue({ target: { url: redis.url }, patience, clock: wallClock, log: quiet }),
    empty: async () => void (await admin.flushall()),
    stop: async () => {
      admin.disconnect();
      await redis.stop();
    },
  };
}
