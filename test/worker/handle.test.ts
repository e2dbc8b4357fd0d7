import { describe, expect, it } from 'vitest';
import { NerveError } from '../../src/engine/errors.ts';
import { look, type WorkerPorts } from '../../src/worker/handle.ts';
import { ended, HOUR, launched, market, MINUTE, noticed, NOW, seen, SETTINGS, spec } from '../support/build.ts';
import { quiet } from '../support/clock.ts';
import { memoryAlarms } from '../support/memory/alarms.ts';
import { memoryLeadership, memoryLock } from '../support/memory/leadership.ts';
import { memoryRecords } from '../support/memory/records.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import type { MarketView, ObservedAttempt } from '../../src/engine/snapshot.ts';
import type { Clock } from '../../src/ports.ts';

const job = spec({ deadlineMs: NOW + 6 * HOUR });
const submitted: JobEvent = { type: 'submitted', atMs: NOW, spec: job, latestStartMs: NOW + 2 * HOUR, simulated: [] };

interface Setup {
  readonly view?: MarketView;
  readonly objects?: ObservedAttempt[];
  /** What the watch told last, where that is older than what is. */
  readonly told?: ObservedAttempt[];
  /** A budget forbids that anything is ended. */
  readonly kept?: boolean;
}

async function setup(events: readonly JobEvent[], options: Setup = {}) {
  const clock: Clock = { speed: 1, nowMs: () => NOW + MINUTE, realNowMs: () => NOW + MINUTE, sleep: () => Promise.resolve() };
  const records = memoryRecords();
  await records.append(job.id, 0, [submitted, ...events]);
  const objects = options.objects ?? [];
  const calls: string[] = [];
  const ports: WorkerPorts = {
    records,
    alarms: memoryAlarms(clock),
    leadership: memoryLeadership(memoryLock(), clock),
    cluster: {
      attempts: async () => objects,
      attemptsOf: async (_jobId, _within, open) => {
        if (open === undefined) calls.push('read fresh');
        return open === undefined ? objects : (options.told ?? objects);
      },
      launch: async (ask) => {
        calls.push(`launch ${ask.name}`);
        const made =
          objects.find((o) => o.name === ask.name) ?? seen(ask.attempt, { phase: 'pending', placedAtMs: null, node: null, nodeName: null });
        if (!objects.includes(made)) objects.push(made);
        return made;
      },
      requestStop: async (name, request) => {
        if (options.kept === true) throw new NerveError('conflict', 'a budget forbids it');
        calls.push(`stop ${name} ${request}`);
      },
      remove: async (name) => void calls.push(`remove ${name}`),
      forget: async (jobId) => void calls.push(`forget ${jobId}`),
      watch: () => Promise.resolve(),
    },
    market: { view: async () => options.view ?? market(), meter: async () => [] },
    clock,
    log: quiet,
  };
  const types = async (): Promise<readonly string[]> => (await records.read(job.id))?.events.map((e) => e.type) ?? [];
  return { ports, records, calls, types };
}

describe('one look at a job', () => {
  it('launches before it says so, under the name that follows from job and attempt', async () => {
    const { ports, calls, types } = await setup([]);
    await look(ports, SETTINGS, job.id);
    expect(calls).toEqual(['read fresh', `launch nerve-${job.id}-a1`]);
    expect(await types()).toEqual(['submitted', 'launched']);
  });

  it('adopts what a worker launched that died before it could say so', async () => {
    const { ports, calls, types } = await setup([], { objects: [seen(1)] });
    await look(ports, SETTINGS, job.id);
    expect(calls.filter((c) => c.startsWith('launch'))).toEqual([]);
    expect(await types()).toEqual(['submitted', 'launched']);
  });

  it('lets go on what could not be ended after it was asked to stop', async () => {
    const paused: JobEvent = { type: 'paused', atMs: NOW };
    const free = await setup([launched(1), paused], { objects: [seen(1)] });
    await look(free.ports, SETTINGS, job.id);
    expect(await free.types()).toContain('stop-requested');
    const kept = await setup([launched(1), paused], { objects: [seen(1)], kept: true });
    await look(kept.ports, SETTINGS, job.id);
    expect(await kept.types()).not.toContain('stop-requested');
  });

  it('does nothing on what the watch told: before it acts it reads fresh', async () => {
    const { ports, calls, types } = await setup([launched(1), ended(1)], { objects: [seen(2)], told: [] });
    await look(ports, SETTINGS, job.id);
    expect(calls).toEqual(['read fresh']);
    expect(await types()).toEqual(['submitted', 'launched', 'ended', 'launched']);
  });

  it('reads nothing fresh when there is nothing to do, and believes the facts that the watch told', async () => {
    const told = seen(1, { progress: { step: 7, totalSteps: 10, remainingMs: MINUTE, atMs: NOW + MINUTE } });
    const { ports, calls, types } = await setup([launched(1)], { objects: [], told: [told] });
    await look(ports, SETTINGS, job.id);
    expect(calls).toEqual([]);
    expect(await types()).toEqual(['submitted', 'launched']);
  });

  it('starts again from the beginning when somebody else wrote first, and does not act on what it read', async () => {
    const { ports, records, calls, types } = await setup([]);
    let first = true;
    const interrupted: WorkerPorts = {
      ...ports,
      market: {
        ...ports.market,
        view: async () => {
          if (first) await records.append(job.id, 1, [{ type: 'cancel-requested', atMs: NOW }]);
          first = false;
          return market();
        },
      },
    };
    await look(interrupted, SETTINGS, job.id);
    expect(calls.filter((c) => c.startsWith('launch'))).toEqual([]);
    expect(await types()).toEqual(['submitted', 'cancel-requested', 'finished']);
  });

  it('writes a plan once, also while the last attempt is still leaving', async () => {
    const dry = market({ spot: { 'euw3-az1': null, 'euw3-az2': null, 'euw3-az3': null } });
    const { ports, types } = await setup([launched(1), noticed(1, NOW + MINUTE)], { view: dry, objects: [seen(1)] });
    await look(ports, SETTINGS, job.id);
    await look(ports, SETTINGS, job.id);
    expect(await types()).toEqual(['submitted', 'launched', 'noticed', 'planned']);
  });
});
