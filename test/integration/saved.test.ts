// The sums that outlive every worker: kept when a job is closed, once a job.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { silentLog } from '../../src/adapters/system/log.ts';
import { report } from '../../src/engine/report.ts';
import { type OpenQueue, openQueue } from '../../src/queue/open.ts';
import { record, spec } from '../support/build.ts';
import { wallClock } from '../support/clock.ts';
import { type TestRedis, testRedis } from '../support/redis.ts';

let server: TestRedis;
let queue: OpenQueue;
beforeAll(async () => {
  server = await testRedis();
  queue = await openQueue({ target: { url: server.url }, patience: 'fail-fast', clock: wallClock, log: silentLog });
});
afterAll(async () => {
  await queue.close();
  await server.stop();
});

it('sums what closed jobs saved and lost, and a job that is closed twice counts once', async () => {
  expect(await queue.records.saved()).toEqual({ usd: 0, carbonGrams: 0 });
  const ended = report(record([], spec()));
  await queue.records.close('j-1', { ...ended, savingUsd: 1.25, carbonSavedGrams: 0.5 });
  await queue.records.close('j-1', { ...ended, savingUsd: 1.25, carbonSavedGrams: 0.5 });
  await queue.records.close('j-2', { ...ended, savingUsd: -2, carbonSavedGrams: 1e-7 });
  const { usd, carbonGrams } = await queue.records.saved();
  expect(usd).toBeCloseTo(-0.75, 9);
  expect(carbonGrams).toBeCloseTo(0.5000001, 9);
});
