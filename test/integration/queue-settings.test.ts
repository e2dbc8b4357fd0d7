// The settings of the queue that lose nothing, each tried: with BullMQ's default, or without it, one of these goes red. (Recovery within
// 15 s of a killed worker, twice over: queue.test.ts.)

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OpenQueue } from '../../src/queue/open.ts';
import { openQueue } from '../../src/queue/open.ts';
import { type QueueServer, queueServer } from '../contract/queue-server.ts';
import { quiet, wallClock } from '../support/clock.ts';

let server: QueueServer;
let queue: OpenQueue;
beforeAll(async () => {
  server = await queueServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.empty();
  queue = await server.open();
});
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
  await queue.close();
});

const HOUR_MS = 3_600_000;

/** Until the end of the test, also of one that fails. */
function run(handle: (jobId: string) => Promise<number | null>): void {
  const stop = new AbortController();
  const ended = queue.alarms.run(handle, stop.signal);
  stops.push(() => {
    stop.abort();
    return ended;
  });
}

describe('an alarm', () => {
  it('that has gone off for good leaves nothing, so that its id can be armed anew', async () => {
    const calls: string[] = [];
    run(async (jobId) => {
      calls.push(jobId);
      return null;
    });
    await queue.alarms.arm('j-1', Date.now());
    await expect.poll(() => calls.length).toBe(1);
    await expect.poll(() => server.admin.keys('*j-1*')).toEqual([]);
    await queue.alarms.arm('j-1', Date.now());
    await expect.poll(() => calls.length).toBe(2);
  });

  it('of a worker that is paused for longer than its lock goes to another, and what the first says then no longer counts', {
    timeout: 60_000,
  }, async () => {
    await queue.alarms.arm('j-1', Date.now());
    const child = fork(new URL('../support/paused-worker.ts', import.meta.url).pathname, [server.redis.url], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    stops.push(async () => void child.kill('SIGKILL'));
    await once(child, 'message');
    child.kill('SIGSTOP');
    const pausedAtMs = performance.now();
    let calls = 0;
    const later = Date.now() + HOUR_MS;
    run(async () => {
      calls += 1;
      return later;
    });
    await expect.poll(() => calls, { timeout: 20_000 }).toBe(1);
    expect(performance.now() - pausedAtMs).toBeLessThan(15_000);
    const armed = async () => Math.abs(((await queue.alarms.armed()).get('j-1') ?? 0) - later);
    await expect.poll(armed).toBeLessThan(50);
    child.kill('SIGCONT');
    child.send('answer');
    await once(child, 'exit');
    // It said "again at once": that would be handled by now.
    await wallClock.sleep(300);
    expect(calls).toBe(1);
    expect(await armed()).toBeLessThan(50);
  });

  it('that goes off while Redis is full is not lost', { timeout: 60_000 }, async () => {
    const inside = Promise.withResolvers<void>();
    const full = Promise.withResolvers<void>();
    let calls = 0;
    await queue.alarms.arm('j-1', Date.now());
    run(async () => {
      calls += 1;
      inside.resolve();
      await full.promise;
      return Date.now() + 10;
    });
    await inside.promise;
    await server.admin.config('SET', 'maxmemory', '1');
    stops.push(() => server.admin.config('SET', 'maxmemory', '0'));
    full.resolve();
    await wallClock.sleep(1000);
    await server.admin.config('SET', 'maxmemory', '0');
    const before = calls;
    await expect.poll(() => calls, { timeout: 20_000 }).toBeGreaterThan(before);
  });
});

/** Says this when it is asked for INFO, and OK to everything else: a Redis that nobody has here. */
async function pretended(info: readonly string[]): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'np-'));
  const url = join(folder, 's');
  const text = [...info, 'redis_version:8.0.0', 'loading:0'].join('\r\n');
  const listening: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      for (const [, name = ''] of data.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
        if (name.toLowerCase() === 'info') socket.write(`$${Buffer.byteLength(text)}\r\n${text}\r\n`);
        else socket.write(name.toLowerCase() === 'hello' ? '-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n' : '+OK\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => listening.listen(url, resolve));
  return {
    url,
    stop: async () => {
      listening.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describe('a foreign Redis', () => {
  it.each([
    ['is too old', ['redis_version:6.0.20'], /version 6\.0\.20.*needs 6\.2/, /newer Redis or Valkey/],
    ['is far too old', ['redis_version:5.0.7'], /version 5\.0\.7/, /newer Redis or Valkey/],
    ['evicts', ['maxmemory_policy:volatile-lru'], /evicts keys \(maxmemory-policy volatile-lru\)/, /config set maxmemory-policy noeviction/],
    ['is a cluster', ['cluster_enabled:1'], /cluster mode/, /one server/],
  ])('that %s is refused with the reason, and with what to do', async (_, info, message, hint) => {
    const redis = await pretended(info);
    const opened = openQueue({ target: { url: redis.url }, patience: 'fail-fast', clock: wallClock, log: quiet });
    await expect(opened).rejects.toMatchObject({ kind: 'refused', message: expect.stringMatching(message), hint: expect.stringMatching(hint) });
    await redis.stop();
  });

  it('that is new enough and keeps everything is taken', async () => {
    const redis = await pretended(['redis_version:6.2.0', 'maxmemory_policy:noeviction', 'cluster_enabled:0']);
    const opened = await openQueue({ target: { url: redis.url }, patience: 'fail-fast', clock: wallClock, log: quiet });
    expect(opened.records).toBeDefined();
    await opened.close();
    await redis.stop();
  });
});
