import { describe, expect, it } from 'vitest';
import { NerveError } from '../../src/engine/errors.ts';
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

  it('that cannot be promised names a deadline that can', async () => {
    const p = ports();
    const impossible = spec({ deadlineMs: NOW + HOUR, workMs: 10 * HOUR });
    const { nearestDeadlineMs } = await submitJob(p, impossible, market(), SETTINGS);
    expect((await submitJob(p, { ...impossible, deadlineMs: nearestDeadlineMs - 1000 }, market(), SETTINGS)).feasible).toBe(false);
    expect((await submitJob(p, { ...impossible, deadlineMs: nearestDeadlineMs }, market(), SETTINGS)).feasible).toBe(true);
  });

  it('whose write was answered by a broken connection, and sent again, is taken once', async () => {
    const p = ports();
    const twice: Records = {
      ...p.records,
      append: async (jobId, version, events) => {
        await p.records.append(jobId, version, events);
        return p.records.append(jobId, version, events);
      },
    };
    expect((await submitJob({ ...p, records: twice }, job, market(), SETTINGS)).feasible).toBe(true);
    expect((await p.records.read(job.id))?.version).toBe(1);
  });

  it.each([
    ['happened', true],
    ['did not happen', false],
  ])('whose write was never answered but %s is what the record says', async (_what, happened) => {
    const p = ports();
    const away = new NerveError('unreachable', 'Redis went away.');
    const lost: Records = {
      ...p.records,
      append: async (jobId, version, events) => {
        if (happened) await p.records.append(jobId, version, events);
        throw away;
      },
    };
    const outcome = await submitJob({ ...p, records: lost }, job, market(), SETTINGS).catch((error: unknown) => error);
    expect(outcome).toEqual(happened ? expect.objectContaining({ feasible: true }) : away);
    expect([...(await p.alarms.armed()).keys()]).toEqual(happened ? [job.id] : []);
  });

  it('of which nobody can tell whether it was taken says so, with where to look', async () => {
    const gone = () => Promise.reject(new NerveError('unreachable', 'Redis went away.'));
    const submitting = submitJob({ ...ports(), records: { ...memoryRecords(), append: gone, read: gone } }, job, market(), SETTINGS);
    await expect(submitting).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining(`Nobody knows now whether job ${job.id} was taken`),
      hint: expect.stringContaining(`nerve status ${job.id}`),
      fields: { jobId: job.id, taken: 'unknown' },
    });
  });

  it('that Redis refuses leaves nothing to look for', async () => {
    const full = new NerveError('refused', 'Redis is full.');
    const p = ports();
    await expect(submitJob({ ...p, records: { ...p.records, append: () => Promise.reject(full) } }, job, market(), SETTINGS)).rejects.toBe(full);
    expect((await p.alarms.armed()).size).toBe(0);
  });

  it('whose alarm could not be set is taken all the same, and says who sets it', async () => {
    const p = ports();
    const deaf = { ...p.alarms, arm: () => Promise.reject(new NerveError('unreachable', 'Redis went away.')) };
    const offer = await submitJob({ ...p, alarms: deaf }, job, market(), SETTINGS);
    expect(offer).toMatchObject({ feasible: true, warnings: [expect.stringContaining('the worker sets its alarm')] });
    expect(await p.records.live()).toEqual([job.id]);
  });

  it('whose id is taken by another job is refused', async () => {
    const p = ports();
    await submitJob(p, job, market(), SETTINGS);
    await expect(submitJob(p, { ...job, name: 'another' }, market(), SETTINGS)).rejects.toMatchObject({ kind: 'conflict' });
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
