import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JobEvent } from '../../src/engine/record.ts';
import { report } from '../../src/engine/report.ts';
import { checkRedis, connectRedis } from '../../src/queue/connection.ts';
import { type OpenQueue, openQueue } from '../../src/queue/open.ts';
import { launched, NOW, record, spec } from '../support/build.ts';
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

/** Runs a handler until the returned stop is called. */
function running(handle: (jobId: string) => Promise<number | null>, of = queue): () => Promise<void> {
  const stop = new AbortController();
  const done = of.alarms.run(handle, stop.signal);
  return () => {
    stop.abort();
    return done;
  };
}

describe('records', () => {
  it('refuse the second of two writers that read the same version', async () => {
    expect(await queue.records.append('j-1', 0, submitted('j-1'))).toBe(1);
    const both = await Promise.all([queue.records.append('j-1', 1, [launched(1)]), queue.records.append('j-1', 1, [launched(1, 'euw3-az3')])]);
    expect(new Set(both)).toEqual(new Set([2, 'conflict']));
    expect((await queue.records.read('j-1'))?.events).toHaveLength(2);
  });

  it('leave the live index with the report kept, and closing twice counts once', async () => {
    await queue.records.append('j-1', 0, submitted('j-1'));
    expect(await queue.records.live()).toEqual(['j-1']);
    const ended = { ...report(record([], spec({ id: 'j-1' }))), result: 'succeeded' as const, usefulWorkMs: 5000, finishedAtMs: NOW };
    await queue.records.close('j-1', ended);
    await queue.records.close('j-1', ended);
    expect(await queue.records.live()).toEqual([]);
    expect(await queue.records.reportOf('j-1')).toEqual(ended);
    expect(await queue.records.medianDurationMs('test')).toEqual({ medianMs: 5000, runs: 1 });
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
  it('fire once at their time, again when the handler says so, and end when it answers null', async () => {
    const calls: number[] = [];
    const finished = Promise.withResolvers<void>();
    await queue.alarms.arm('j-1', Date.now() + 100);
    const stop = running(async () => {
      calls.push(Date.now());
      if (calls.length < 3) return Date.now() + 100;
      finished.resolve();
      return null;
    });
    await finished.promise;
    await expect.poll(async () => (await queue.alarms.armed()).size).toBe(0);
    await stop();
    expect(calls).toHaveLength(3);
    expect((calls[2] ?? 0) - (calls[0] ?? 0)).toBeGreaterThanOrEqual(195);
  });

  it('are woken early, and a wake that comes while the job is handled is not lost', async () => {
    let calls = 0;
    const handling = Promise.withResolvers<void>();
    const again = Promise.withResolvers<void>();
    await queue.alarms.arm('j-1', Date.now() + 3_600_000);
    const stop = running(async () => {
      calls += 1;
      if (calls === 1) {
        handling.resolve();
        await wallClock.sleep(200);
      } else again.resolve();
      return Date.now() + 3_600_000;
    });
    expect(await queue.alarms.wake('j-1')).toBe(true);
    await handling.promise;
    expect(await queue.alarms.wake('j-1')).toBe(true);
    await again.promise;
    await stop();
    expect(calls).toBe(2);
    expect(await queue.alarms.wake('j-unknown')).toBe(false);
  });

  it('are never handled twice at once by two workers', async () => {
    const second = await open();
    let inside = 0;
    let worst = 0;
    let calls = 0;
    const handle = async (): Promise<number> => {
      inside += 1;
      worst = Math.max(worst, inside);
      await wallClock.sleep(20);
      inside -= 1;
      calls += 1;
      return Date.now() + 5;
    };
    await queue.alarms.arm('j-1', Date.now());
    const stops = [running(handle), running(handle, second)];
    await expect.poll(() => calls, { timeout: 10_000 }).toBeGreaterThan(20);
    await Promise.all(stops.map((stop) => stop()));
    await second.close();
    expect(worst).toBe(1);
  });

  it('come again when the handler throws', async () => {
    let calls = 0;
    const done = Promise.withResolvers<void>();
    await queue.alarms.arm('j-1', Date.now());
    const stop = running(async () => {
      calls += 1;
      if (calls === 1) throw new Error('planned');
      done.resolve();
      return null;
    });
    await done.promise;
    await stop();
    expect(calls).toBe(2);
  });

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
    const stop = running(async () => {
      handled.resolve();
      return null;
    });
    await handled.promise;
    await stop();
    expect(performance.now() - killedAt).toBeLessThan(15_000);
  });
});

describe('leadership', () => {
  it('is one at a time, with an epoch that grows', async () => {
    const second = await open();
    const first = await queue.leadership.lead();
    expect(first).not.toBeNull();
    expect(await queue.leadership.lead()).toBe(first);
    expect(await second.leadership.lead()).toBeNull();
    await queue.leadership.resign();
    expect(await second.leadership.lead()).toBe((first ?? 0) + 1);
    await second.close();
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

  it('refuses new jobs when it is full, and keeps the ones it acknowledged', async () => {
    await queue.records.append('j-1', 0, submitted('j-1'));
    const admin = new Redis({ path: redis.url });
    await admin.config('SET', 'maxmemory', '1');
    await expect(queue.records.append('j-2', 0, submitted('j-2'))).rejects.toMatchObject({ kind: 'refused' });
    await admin.config('SET', 'maxmemory', '0');
    admin.disconnect();
    expect(await queue.records.live()).toEqual(['j-1']);
  });
});
