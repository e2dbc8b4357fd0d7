import { afterAll, beforeAll } from 'vitest';
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
