import { afterAll, beforeAll } from 'vitest';
import { memoryRecords } from '../support/memory/records.ts';
import { type QueueServer, queueServer } from './queue-server.ts';
import { recordsContract } from './records.ts';

let server: QueueServer;
beforeAll(async () => {
  server = await queueServer();
});
afterAll(() => server.stop());

recordsContract('memory', async () => {
  const records = memoryRecords();
  return { records, elsewhere: records, kept: async (jobId) => records.reports.get(jobId) ?? null, close: async () => undefined };
});

recordsContract('Redis', async () => {
  await server.empty();
  const [one, two] = await Promise.all([server.open(), server.open()]);
  return {
    records: one.records,
    elsewhere: two.records,
    kept: (jobId) => one.records.reportOf(jobId),
    close: async () => void (await Promise.all([one.close(), two.close()])),
  };
});
