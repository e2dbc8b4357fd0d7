// The three ports of the queue, when their Redis is mute, gone, full, or comes back.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JobEvent } from '../../src/engine/record.ts';
import { report } from '../../src/engine/report.ts';
import type { OpenQueue } from '../../src/queue/open.ts';
import { launched, NOW, record, spec } from '../support/build.ts';
import { notFailing } from './outage.ts';
import { type QueueServer, queueServer } from './queue-server.ts';

let server: QueueServer;
beforeAll(async () => {
  server = await queueServer();
});
afterAll(() => server.stop());
const queues: OpenQueue[] = [];
afterEach(async () => {
  await Promise.all(queues.splice(0).map((queue) => queue.close()));
});
async function open(patience: 'wait' | 'fail-fast'): Promise<OpenQueue> {
  const queue = await server.open(patience);
  queues.push(queue);
  return queue;
}

const submitted: JobEvent = { type: 'submitted', atMs: NOW, spec: spec({ id: 'j-1' }), latestStartMs: NOW, simulated: [] };
const ended = report(record([], spec({ id: 'j-1' })));
const everyMethod = ({ records, alarms, leadership }: OpenQueue) => ({
  read: () => records.read('j-1'),
  append: () => records.append('j-1', 1, [launched(1)]),
  live: () => records.live(),
  close: () => records.close('j-1', ended),
  arm: () => alarms.arm('j-1', NOW),
  wake: () => alarms.wake('j-1'),
  disarm: () => alarms.disarm('j-1'),
  armed: () => alarms.armed(),
  lead: () => leadership.lead(),
  resign: () => leadership.resign(),
});

/** Longer than the adapter's own time-out of five seconds. */
const BOUND_MS = 12_000;

describe('a Redis', () => {
  it('that is mute, or gone, is unreachable in bounded time, for a command and for a worker; a worker that starts waits for it', async () => {
    const muted = await Promise.all([open('fail-fast'), open('wait')]);
    const other = await queueServer();
    const cut: OpenQueue[] = await Promise.all([other.open('fail-fast'), other.open('wait')]);
    await other.redis.crash();
    const starting = other.open('wait');
    server.redis.server.child.kill('SIGSTOP');
    try {
      const outcomes = await Promise.all([...muted, ...cut].map((queue) => notFailing(everyMethod(queue), ['unreachable'], BOUND_MS)));
      expect(outcomes).toEqual([{}, {}, {}, {}]);
      expect(await Promise.race([starting, Promise.resolve('still waiting')])).toBe('still waiting');
      await other.redis.start();
      cut.push(await starting);
      expect(await cut.at(-1)?.leadership.lead()).toEqual(expect.any(Number));
    } finally {
      server.redis.server.child.kill('SIGCONT');
      await Promise.all(cut.map((queue) => queue.close()));
      await other.stop();
    }
  });

  it('that was killed and comes back is found again by a worker, and its run goes on', async () => {
    const { alarms, leadership } = await open('wait');
    await alarms.arm('j-1', Date.now());
    let calls = 0;
    const stop = new AbortController();
    const running = alarms.run(async () => {
      calls += 1;
      return Date.now() + 20;
    }, stop.signal);
    await expect.poll(() => calls).toBeGreaterThan(0);
    await server.redis.crash();
    await server.redis.start();
    const before = calls;
    await expect.poll(() => calls, { timeout: 15_000 }).toBeGreaterThan(before);
    expect(await leadership.lead()).not.toBeNull();
    stop.abort();
    await running;
  });

  it('that is full refuses what needs room, says so, and keeps what it has', async () => {
    const queue = await open('wait');
    const { records, alarms } = queue;
    await server.empty();
    await records.append('j-1', 0, [submitted]);
    await server.admin.config('SET', 'maxmemory', '1');
    try {
      expect(
        await notFailing(
          { append: () => records.append('j-1', 1, [launched(1)]), close: () => records.close('j-1', ended), arm: () => alarms.arm('j-2', NOW) },
          ['refused'],
          BOUND_MS,
        ),
      ).toEqual({});
      expect((await records.read('j-1'))?.version).toBe(1);
      expect(await records.live()).toEqual(['j-1']);
    } finally {
      await server.admin.config('SET', 'maxmemory', '0');
    }
    expect(await records.append('j-1', 1, [launched(1)])).toBe(2);
  });
});
