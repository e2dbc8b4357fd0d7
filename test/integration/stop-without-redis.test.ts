// A worker that is told to stop while Redis does not answer ends in seconds: the kubelet would kill it after thirty, and a drain would wait for that.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/adapters/system/log.ts';
import { connectRedis, partWhenStopped } from '../../src/queue/connection.ts';
import { openQueue } from '../../src/queue/open.ts';
import { wallClock } from '../support/clock.ts';
import { type TestRedis, testRedis } from '../support/redis.ts';

let server: TestRedis | null = null;
afterEach(async () => {
  if (server?.server.child.exitCode === null) server.server.child.kill('SIGCONT');
  await server?.stop();
  server = null;
});

const open = (url: string, signal: AbortSignal) => openQueue({ target: { url }, patience: 'wait', clock: wallClock, log: silentLog, signal });
const LIMIT_MS = 8000;

/** A queue of which one job is being handled, which asks Redis something as soon as `go` is called. */
async function working(stop: AbortController) {
  server = await testRedis();
  const queue = await open(server.url, stop.signal);
  await queue.alarms.arm('j-1', Date.now());
  let go = (): void => undefined;
  const gone = new Promise<void>((resolve) => {
    go = resolve;
  });
  let handling = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    handling = resolve;
  });
  const run = queue.alarms.run(async () => {
    handling();
    await gone;
    return Date.now() + 60_000;
  }, stop.signal);
  await begun;
  return { queue, run, go };
}

const FAULTS: readonly (readonly [string, (redis: TestRedis) => Promise<unknown>])[] = [
  ['Redis has gone', (redis) => redis.crash()],
  ['Redis hangs', (redis) => Promise.resolve(redis.server.child.kill('SIGSTOP'))],
];

describe('a worker that is told to stop', () => {
  it('does so while it still waits for its first Redis', { timeout: LIMIT_MS }, async () => {
    const stop = new AbortController();
    const opening = open('/tmp/nerve-no-redis-here.sock', stop.signal);
    stop.abort();
    await expect(opening).rejects.toMatchObject({ kind: 'unreachable' });
  });

  it.each(FAULTS)('does so in the midst of a job when %s', { timeout: LIMIT_MS * 2 }, async (_what, fault) => {
    const stop = new AbortController();
    const { queue, run, go } = await working(stop);
    if (server === null) throw new Error('there is no Redis');
    await fault(server);
    go();
    const sinceMs = Date.now();
    stop.abort();
    await run;
    await queue.leadership.resign().catch(() => undefined);
    await queue.close();
    expect(Date.now() - sinceMs).toBeLessThan(LIMIT_MS);
  });

  it('ends a call that waits between two tries to reach Redis', { timeout: LIMIT_MS }, async () => {
    const stop = new AbortController();
    const redis = connectRedis({ url: '/tmp/nerve-no-redis-here.sock' }, 'for-ever');
    partWhenStopped(redis, stop.signal);
    const call = redis.ping();
    await expect.poll(() => redis.status, { interval: 1 }).toBe('reconnecting');
    stop.abort();
    await expect(call).rejects.toThrow('Connection is closed');
  });

  it('lets a job that is being handled end where Redis is well', { timeout: LIMIT_MS * 2 }, async () => {
    const stop = new AbortController();
    const { queue, run, go } = await working(stop);
    stop.abort();
    go();
    await run;
    const left = await queue.alarms.armed().catch(() => null);
    expect(left?.get('j-1') ?? Number.NaN).toBeGreaterThan(Date.now() + 30_000);
    await queue.close();
  });
});

it('the program itself ends with 0', { timeout: 30_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nerve-stop-'));
  await Promise.all(['token', 'ca.crt', 'key'].map((name) => writeFile(join(folder, name), rootCertificates[0] ?? '')));
  const env = {
    ...process.env,
    NERVE_TARGET: 'cluster',
    NERVE_REDIS_URL: 'redis://127.0.0.1:1',
    NERVE_ATTEMPT_KEY_FILE: join(folder, 'key'),
    NERVE_ACCOUNT_FOLDER: folder,
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: '1',
  };
  const child = spawn(process.execPath, ['src/cli.ts', 'worker'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    let said = '';
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()).includes('waiting for Redis') && resolve());
      child.on('exit', () => reject(new Error(said)));
    });
    const sinceMs = Date.now();
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(Date.now() - sinceMs).toBeLessThan(LIMIT_MS);
  } finally {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  }
});
