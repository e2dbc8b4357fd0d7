import { describe, expect, it } from 'vitest';
import type { JobEvent } from '../../src/engine/record.ts';
import { readJob, request } from '../../src/intake/request.ts';
import { submitJob } from '../../src/intake/submit.ts';
import type { Clock, Records } from '../../src/ports.ts';
import { HOUR, market, NOW, SETTINGS, spec } from '../support/build.ts';
import { memoryAlarms } from '../support/memory/alarms.ts';
import { memoryRecords } from '../support/memory/records.ts';

const clock: Clock = { speed: 1, nowMs: () => NOW, realNowMs: () => NOW, sleep: () => Promise.resolve() };
const job = spec();
const ports = () => ({ records: memoryRecords(), alarms: memoryAlarms(clock), clock });
const submitted: JobEvent = { type: 'submitted', atMs: NOW, spec: job, latestStartMs: NOW + HOUR, simulated: [] };
const paused: JobEvent = { type: 'paused', atMs: NOW };
const finished: JobEvent = {
  type: 'finished',
  atMs: NOW,
  result: 'cancelled',
  reason: 'user-cancelled',
  late: false,
  usefulWorkMs: 0,
  counterfactual: null,
  finalCheckpoint: null,
};

describe('a submit', () => {
  it('writes the record and sets the alarm', async () => {
    const p = ports();
    const offer = await submitJob(p, job, market(), SETTINGS);
    expect(offer.feasible).toBe(true);
    expect((await p.records.read(job.id))?.events).toEqual([
      { type: 'submitted', atMs: NOW, spec: job, latestStartMs: offer.latestStartMs, simulated: [] },
    ]);
    expect([...(await p.alarms.armed()).keys()]).toEqual([job.id]);
  });

  it('that cannot be promised leaves nothing behind and says by how much', async () => {
    const p = ports();
    const offer = await submitJob(p, spec({ deadlineMs: NOW + 2 * HOUR, workMs: 3 * HOUR }), market(), SETTINGS);
    expect(offer).toMatchObject({ feasible: false });
    expect(offer.shortfallMs).toBeGreaterThan(HOUR);
    expect(offer.nearestDeadlineMs).toBe(NOW + 2 * HOUR + offer.shortfallMs);
    expect(await p.records.live()).toEqual([]);
    expect((await p.alarms.armed()).size).toBe(0);
  });

  it('whose id is taken is refused', async () => {
    const p = ports();
    await submitJob(p, job, market(), SETTINGS);
    await expect(submitJob(p, job, market(), SETTINGS)).rejects.toMatchObject({ kind: 'conflict' });
  });
});

describe('a request', () => {
  it('appends one event and wakes the job', async () => {
    const p = ports();
    await p.records.append(job.id, 0, [submitted]);
    await p.alarms.arm(job.id, NOW + HOUR);
    const before = await request(p.records, p.alarms, job.id, (state) => (state.pausedByUser ? null : paused));
    expect(before.pausedByUser).toBe(false);
    expect((await readJob(p.records, job.id)).state.pausedByUser).toBe(true);
    expect((await p.alarms.armed()).get(job.id)).toBeLessThanOrEqual(NOW);
  });

  it('that has been made already is not made again', async () => {
    const p = ports();
    await p.records.append(job.id, 0, [submitted, paused]);
    await request(p.records, p.alarms, job.id, (state) => (state.pausedByUser ? null : paused));
    expect((await p.records.read(job.id))?.version).toBe(1);
  });

  it('is made on what is there now when somebody else wrote first', async () => {
    const p = ports();
    await p.records.append(job.id, 0, [submitted]);
    let others = 3;
    const busy: Records = {
      ...p.records,
      append: async (jobId, version, events) => {
        if (others-- > 0) await p.records.append(jobId, version, [{ type: 'amended', atMs: NOW, deadlineMs: NOW + HOUR }]);
        return p.records.append(jobId, version, events);
      },
    };
    await request(busy, p.alarms, job.id, () => paused);
    expect((await p.records.read(job.id))?.events.map((e) => e.type)).toEqual(['submitted', 'amended', 'amended', 'amended', 'paused']);
  });

  it('to a job that is not there is refused', async () => {
    const p = ports();
    await expect(request(p.records, p.alarms, 'j-nobody00', () => paused)).rejects.toMatchObject({
      kind: 'not-found',
      message: 'There is no job j-nobody00.',
      hint: expect.stringContaining('nerve list'),
    });
  });

  it('to a job that has ended is refused, and nothing is written after its end', async () => {
    const p = ports();
    await p.records.append(job.id, 0, [submitted, finished]);
    await expect(request(p.records, p.alarms, job.id, () => paused)).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('cancelled'),
    });
    expect((await p.records.read(job.id))?.version).toBe(1);
  });
});
