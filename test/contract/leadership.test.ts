import { afterAll, beforeAll } from 'vitest';
import { wallClock } from '../support/clock.ts';
import { memoryLeadership, memoryLock } from '../support/memory/leadership.ts';
import { leadershipContract } from './leadership.ts';
import { type QueueServer, queueServer } from './queue-server.ts';

let server: QueueServer;
beforeAll(async () => {
  server = await queueServer();
});
afterAll(() => server.stop());

leadershipContract('memory', async () => {
  const lock = memoryLock();
  const [first, second, third] = [memoryLeadership(lock, wallClock), memoryLeadership(lock, wallClock), memoryLeadership(lock, wallClock)];
  return {
    first,
    second,
    third,
    expire: async () => {
      lock.expiresAtMs = wallClock.nowMs();
    },
    leftMs: async () => (lock.holder === null ? null : lock.expiresAtMs - wallClock.nowMs()),
    close: async () => undefined,
  };
});

leadershipContract('Redis', async () => {
  await server.empty();
  const [first, second, third] = await Promise.all([server.open(), server.open(), server.open()]);
  const LOCK = 'nerve:leader';
  return {
    first: first.leadership,
    second: second.leadership,
    third: third.leadership,
    expire: async () => void (await server.admin.pexpire(LOCK, 0)),
    leftMs: async () => {
      const ms = await server.admin.pttl(LOCK);
      return ms === -2 ? null : ms;
    },
    close: async () => void (await Promise.all([first.close(), second.close(), third.close()])),
  };
});
