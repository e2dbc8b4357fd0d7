// What Redis itself brings to the queue beyond its ports' contracts (test/contract/): crashes, and what makes one unfit.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JobEvent } from '../../src/engine/record.ts';
import { report } from '../../src/engine/report.ts';
import { checkRedis, connectRedis } from '../../src/queue/connection.ts';
import { type OpenQueue, openQueue } from '../../src/queue/open.ts';
import { NOW, record, spec } from '../support/build.ts';
import { quiet, wallClock } from '../support/clock.ts';
import { type TestRedis, testRedis } from '../support/redis.ts';

let redis: TestRedis;
let queue: OpenQueue;
const open = (patience: 'wait' | 'fail-fast' = 'wait') => openQueue({ target: { url: redis.url }, patience, clock: wallClock, log: quiet });
const submitted = (id: string): JobEvent[] => [{ type: 'submitted', atMs: NOW, spec: spec({ id }), latestStartMs: NOW, simulated: [] }];

beforeAll(async () => {
  redis = await testRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  queue = await open();
});
afterEach(async () => {
  await queue.close();
  const admin = new Redis({ path: redis.url });
  await admin.flushall();
  admin.disconnect();
});

describe('records', () => {
  it('count a run that was closed twice once', async () => {
    await queue.records.append('j-1', 0, submitted('j-1'));
    const ended = { ...report(record([], spec({ id: 'j-1' }))), result: 'succeeded' as const, usefulWorkMs: 5000, finishedAtMs: NOW };
    await queue.records.close('j-1', ended);
    await queue.records.close('j-1', ended);
    expect(await queue.records.medianDurationMs('test')).toEqual({ medianMs: 5000, runs: 1 });
  });

  it('leave nothing for ever: not the record, the report, the list of reports, nor the lengths of runs', async () => {
    const retentionMs = 396 * 24 * 3_600_000;
    const closed = async (id: string, finishedAtMs: number) => {
      await queue.records.append(id, 0, submitted(id));
      await queue.records.close(id, { ...report(record([], spec({ id }))), result: 'succeeded' as const, usefulWorkMs: 5000, finishedAtMs });
    };
    await closed('j-old', NOW - retentionMs - 1000);
    await closed('j-new', NOW);
    expect(await queue.records.finishedIds(10)).toEqual(['j-new']);
    const admin = new Redis({ path: redis.url });
    const unbounded = [];
    for (const key of await admin.keys('nerve:*')) if ((await admin.ttl(key)) < 0) unbounded.push(key);
    admin.disconnect();
    // The list is trimmed with each close; what was saved is two totals.
    expect(unbounded.toSorted()).toEqual(['nerve:reports', 'nerve:saved']);
  });

  it('survive a kill -9 of Redis under twenty writers without losing an acknowledged one', async () => {
    const acknowledged: string[] = [];
    let going = true;
    const writers = Array.from({ length: 20 }, async (_, w) => {
      for (let i = 0; going; i++) {
        const id = `j-${w}-${i}`;
        const version = await queue.records.append(id, 0, submitted(id)).catch(() => 'failed');
        if (version === 1) acknowledged.push(id);
      }
    });
    await wallClock.sleep(500);
    await redis.crash();
    going = false;
    await redis.start();
    await Promise.all(writers);
    const live = new Set(await queue.records.live());
    expect(acknowledged.length).toBeGreaterThan(100);
    expect(acknowledged.filter((id) => !live.has(id))).toEqual([]);
  });
});

describe('alarms', () => {
  it('come again within 15 s after a kill -9 of the worker, twice over', { timeout: 60_000 }, async () => {
    await queue.alarms.arm('j-1', Date.now());
    for (let crash = 0; crash < 2; crash++) {
      const child = fork(new URL('../support/stuck-worker.ts', import.meta.url).pathname, [redis.url], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      await once(child, 'message');
      child.kill('SIGKILL');
    }
    const killedAt = performance.now();
    const handled = Promise.withResolvers<void>();
    const stop = new AbortController();
    const running = queue.alarms.run(async () => {
      handled.resolve();
      return null;
    }, stop.signal);
    await handled.promise;
    stop.abort();
    await running;
    expect(performance.now() - killedAt).toBeLessThan(15_000);
  });
});

describe('a Redis that cannot be trusted', () => {
  it('is refused when it evicts, with the command that mends it', async () => {
    const admin = new Redis({ path: redis.url });
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await expect(checkRedis(admin)).rejects.toMatchObject({ kind: 'refused', hint: expect.stringContaining('noeviction') });
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    admin.disconnect();
  });

  it('fails a command within seconds when it is away', async () => {
    const away = connectRedis({ url: '/tmp/nerve-nobody-here.sock' }, 'fail-fast');
    await expect(checkRedis(away)).rejects.toMatchObject({ kind: 'unreachable' });
    away.disconnect();
  });
});
