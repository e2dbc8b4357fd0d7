// Many jobs at once keep the promise of one: an id that was answered has its record and its alarm, whatever dies in between, and what
// was not answered may be submitted again.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Market } from '../../src/ports.ts';
import { submitMany, type NewJob } from '../../src/queue/bulk.ts';
import type { OpenQueue } from '../../src/queue/open.ts';
import { runWorker } from '../../src/worker/run.ts';
import { type QueueServer, queueServer } from '../contract/queue-server.ts';
import { market, newJobs, SETTINGS } from '../support/build.ts';
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
afterEach(() => queue.close());

async function submitAll(jobs: readonly NewJob[], of = queue): Promise<{ accepted: string[]; taken: string[] }> {
  const all = { accepted: [] as string[], taken: [] as string[] };
  for await (const { accepted, taken } of of.submitMany(jobs)) {
    all.accepted.push(...accepted);
    all.taken.push(...taken);
  }
  return all;
}

/** Ids that have no record, or no alarm. */
async function unkept(ids: readonly string[]): Promise<readonly string[]> {
  const live = new Set(await queue.records.live());
  const armed = await queue.alarms.armed();
  const read = await Promise.all(ids.map((jobId) => queue.records.read(jobId)));
  return ids.filter((jobId, i) => !live.has(jobId) || !armed.has(jobId) || read[i]?.version !== 1);
}

const withoutAlarm = async (): Promise<readonly string[]> => {
  const armed = await queue.alarms.armed();
  return (await queue.records.live()).filter((jobId) => !armed.has(jobId));
};

/** What Redis holds against its limit, once it has freed the buffers of connections that were closed before. */
async function settledBytes(): Promise<number> {
  let last = Number.POSITIVE_INFINITY;
  for (;;) {
    const memory = await server.admin.info('memory');
    const bytes = Number(/used_memory:(\d+)/.exec(memory)?.[1]) - Number(/mem_not_counted_for_evict:(\d+)/.exec(memory)?.[1]);
    if (Math.abs(bytes - last) < 2 ** 16) return bytes;
    last = bytes;
    await pause(300);
  }
}

/** The worker's own loops, in a market that has nothing, until what `done` asks for has come. */
async function workerUntil(done: () => Promise<void>): Promise<void> {
  const nothing: Market = { view: async () => market({ nowMs: Date.now(), spot: { 'euw3-az1': null } }), meter: async () => [] };
  const cluster = {
    attempts: async () => [],
    attemptsOf: async () => [],
    launch: () => Promise.reject(new Error('there is nothing to launch on')),
    requestStop: async () => undefined,
    remove: async () => undefined,
    forget: async () => undefined,
    watch: (_: unknown, signal: AbortSignal) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  };
  const stop = new AbortController();
  const { records, alarms, leadership } = queue;
  const running = runWorker(
    { records, alarms, leadership, cluster, market: nothing, clock: wallClock, log: quiet },
    { settings: SETTINGS, sweepRealMs: 200, marketTickRealMs: 60_000 },
    stop.signal,
  );
  await done().finally(() => stop.abort());
  await running;
}

describe('many jobs at once', () => {
  it('are all accepted, each with its record and its alarm at the time that was asked', async () => {
    const jobs = newJobs(1234);
    const { accepted, taken } = await submitAll(jobs);
    expect(accepted).toEqual(jobs.map(({ jobId }) => jobId));
    expect(taken).toEqual([]);
    expect(await unkept(accepted)).toEqual([]);
    expect(await queue.records.read('j-777')).toEqual({ jobId: 'j-777', version: 1, events: jobs[777]?.events });
    const armed = await queue.alarms.armed();
    for (const { jobId, alarmAtMs } of jobs) expect(Math.abs((armed.get(jobId) ?? 0) - alarmAtMs)).toBeLessThan(50);
  });

  it('may be submitted again: what is there stays as it is', async () => {
    const jobs = newJobs(700);
    await submitAll(jobs.slice(0, 300));
    await queue.alarms.arm('j-5', Date.now() + 5 * 3_600_000);
    const { accepted } = await submitAll(jobs);
    expect(accepted).toHaveLength(700);
    expect(await unkept(accepted)).toEqual([]);
    expect((await queue.alarms.armed()).get('j-5')).toBeLessThan(Date.now() + 6 * 3_600_000);
  });

  it('leave alone what has the id already and is somebody else', async () => {
    const [other] = newJobs(1, Date.now() - 1000);
    await submitAll(other === undefined ? [] : [other]);
    const { accepted, taken } = await submitAll(newJobs(10));
    expect(taken).toEqual(['j-0']);
    expect(accepted).toHaveLength(9);
    expect((await queue.records.read('j-0'))?.events).toEqual(other?.events);
  });

  it('have alarms that are kept as BullMQ keeps one', async () => {
    const kept = async (arm: (atMs: number) => Promise<void>) => {
      await server.empty();
      const atMs = Date.now() + 3_600_000;
      await arm(atMs);
      const hash = await server.admin.hgetall('bull:nerve-alarms:j-1');
      const [, score] = await server.admin.zrange('bull:nerve-alarms:delayed', 0, '-1', 'WITHSCORES');
      const [member, wakesAtMs] = await server.admin.zrange('bull:nerve-alarms:marker', 0, '-1', 'WITHSCORES');
      const delaysMs = [Number(hash['timestamp']) + Number(hash['delay']), Number(score) / 4096, Number(wakesAtMs)].map((at) => at - atMs);
      // A command may take a moment, and what is rounded may be rounded up.
      for (const delayMs of delaysMs) expect(Math.abs(delayMs)).toBeLessThan(500);
      return { fields: Object.keys(hash).toSorted(), name: hash['name'], data: hash['data'], priority: hash['priority'], member };
    };
    const alone = await kept((atMs) => queue.alarms.arm('j-1', atMs));
    expect(alone.fields).toContain('timestamp');
    expect(await kept((atMs) => queue.alarms.armMany([{ jobId: 'j-1', atMs }]))).toEqual(alone);
  });

  it('of which none are none', async () => {
    expect(await submitAll([])).toEqual({ accepted: [], taken: [] });
  });
});

describe('what dies between record and alarm', () => {
  it('answered no id; the sweep finds those jobs and arms them', async () => {
    const jobs = newJobs(1200);
    const answered: string[] = [];
    const dies = {
      armMany: (alarms: readonly { jobId: string }[]) =>
        alarms.some(({ jobId }) => jobId === 'j-600') ? Promise.reject(new Error('died')) : queue.alarms.armMany(alarms as never),
    };
    await expect(async () => {
      for await (const { accepted } of submitMany(queue.records, dies, jobs)) answered.push(...accepted);
    }).rejects.toThrow('died');
    expect(answered).toEqual(jobs.slice(0, 500).map(({ jobId }) => jobId));
    expect(await unkept(answered)).toEqual([]);
    await expect.poll(async () => (await withoutAlarm()).length).toBe(500);
    await workerUntil(() => expect.poll(withoutAlarm, { timeout: 30_000 }).toEqual([]));
    expect(await queue.records.live()).toHaveLength(1200);
  });

  it('a process that is killed with -9 has answered nothing that is not kept, and the rest can be submitted again', async () => {
    const count = 6000;
    const child = fork(new URL('../support/submitting-worker.ts', import.meta.url).pathname, [server.redis.url, String(count)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const answered: string[] = [];
    child.on('message', (ids: string[]) => {
      answered.push(...ids);
      if (answered.length >= 1500) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    expect(answered.length).toBeLessThan(count);
    expect(await unkept(answered)).toEqual([]);
    const orphans = await withoutAlarm();
    expect(orphans.filter((jobId) => answered.includes(jobId))).toEqual([]);
    // The same list: the killed process had another one, in time.
    const { accepted, taken } = await submitAll(newJobs(count));
    expect(accepted.length + taken.length).toBe(count);
    expect(taken).toEqual(expect.arrayContaining(answered));
    await workerUntil(() => expect.poll(withoutAlarm, { timeout: 30_000 }).toEqual([]));
    expect(await queue.records.live()).toHaveLength(count);
  });

  it('a Redis that is killed with -9 and comes back has every id that was answered, and the rest follows', async () => {
    const jobs = newJobs(6000);
    const answered: string[] = [];
    let crashed: Promise<void> | null = null;
    for await (const { accepted } of queue.submitMany(jobs)) {
      answered.push(...accepted);
      if (answered.length >= 1500) crashed ??= server.redis.crash().then(() => server.redis.start());
    }
    await crashed;
    expect(answered).toHaveLength(6000);
    expect(await unkept(answered)).toEqual([]);
  });

  it('a Redis that becomes full refuses, and keeps every id that was answered; with room again the rest follows', async () => {
    const jobs = newJobs(4000);
    const answered: string[] = [];
    await server.admin.config('SET', 'maxmemory', String((await settledBytes()) + 2 * 2 ** 20));
    try {
      await expect(async () => {
        for await (const { accepted } of queue.submitMany(jobs)) answered.push(...accepted);
      }).rejects.toMatchObject({ kind: 'refused' });
    } finally {
      await server.admin.config('SET', 'maxmemory', '0');
    }
    expect(answered.length).toBeGreaterThan(0);
    expect(answered.length).toBeLessThan(4000);
    expect(await unkept(answered)).toEqual([]);
    expect((await submitAll(jobs)).accepted).toHaveLength(4000);
    expect(await withoutAlarm()).toEqual([]);
  });
});
