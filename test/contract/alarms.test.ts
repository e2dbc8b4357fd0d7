import { afterAll, beforeAll } from 'vitest';
import type { Alarms } from '../../src/ports.ts';
import type { OpenQueue } from '../../src/queue/open.ts';
import { wallClock } from '../support/clock.ts';
import { memoryAlarms } from '../support/memory/alarms.ts';
import { alarmsContract } from './alarms.ts';
import { type QueueServer, queueServer } from './queue-server.ts';

let server: QueueServer;
beforeAll(async () => {
  server = await queueServer();
});
afterAll(() => server.stop());

alarmsContract('memory', async () => {
  const alarms = memoryAlarms(wallClock, { concurrency: 8, backoffRealMs: 100 });
  return { alarms, elsewhere: alarms, clock: wallClock, backoffMs: [100, 200], close: async () => undefined };
});

alarmsContract('Redis', async () => {
  await server.empty();
  const [one, two] = await Promise.all([server.open(), server.open()]);
  return {
    alarms: one.alarms,
    elsewhere: two.alarms,
    clock: wallClock,
    backoffMs: [250, 500],
    close: async () => void (await Promise.all([one.close(), two.close()])),
  };
});

// What arms many at once writes what BullMQ writes, but not through BullMQ (src/queue/arm-many.ts).
alarmsContract('Redis, armed in bulk', async () => {
  await server.empty();
  const [one, two] = await Promise.all([server.open(), server.open()]);
  const inBulk = ({ alarms }: OpenQueue): Alarms => ({
    ...alarms,
    arm: async (jobId, atMs) => ((await alarms.armed()).has(jobId) ? alarms.arm(jobId, atMs) : alarms.armMany([{ jobId, atMs }])),
  });
  return {
    alarms: inBulk(one),
    elsewhere: inBulk(two),
    clock: wallClock,
    backoffMs: [250, 500],
    close: async () => void (await Promise.all([one.close(), two.close()])),
  };
});
