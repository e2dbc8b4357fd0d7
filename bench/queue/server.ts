// The Redis under test: the embedded one, empty, with its own account of memory and time.

import { Redis } from 'ioredis';
import { type OpenQueue, openQueue } from '../../src/queue/open.ts';
import type { Clock } from '../../src/ports.ts';
import { quiet } from '../../test/support/clock.ts';
import { testRedis } from '../../test/support/redis.ts';

export interface Server {
  readonly queue: OpenQueue;
  /** A connection of its own, for what is not Nerve's. */
  readonly admin: Redis;
  /** Name and version. */
  readonly version: string;
  open(): Promise<OpenQueue>;
  empty(): Promise<void>;
  usedBytes(): Promise<number>;
  /** What Redis has computed so far, and this process. */
  cpuSeconds(): Promise<{ readonly redis: number; readonly node: number }>;
  stop(): Promise<void>;
}

export async function startServer(clock: Clock): Promise<Server> {
  const redis = await testRedis();
  const admin = new Redis({ path: redis.url });
  const open = (): Promise<OpenQueue> => openQueue({ target: { url: redis.url }, patience: 'wait', clock, log: quiet });
  const field = async (section: string, name: string): Promise<string> =>
    new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(await admin.info(section))?.[1] ?? '';
  const queue = await open();
  const valkey = await field('server', 'valkey_version');
  return {
    queue,
    admin,
    open,
    version: valkey === '' ? `Redis ${await field('server', 'redis_version')}` : `Valkey ${valkey}`,
    empty: async () => void (await admin.flushall('SYNC')),
    usedBytes: async () => Number(await field('memory', 'used_memory')),
    cpuSeconds: async () => {
      const { user, system } = process.cpuUsage();
      return { redis: Number(await field('cpu', 'used_cpu_user')) + Number(await field('cpu', 'used_cpu_sys')), node: (user + system) / 1e6 };
    },
    stop: async () => {
      await queue.close();
      admin.disconnect();
      await redis.stop();
    },
  };
}
