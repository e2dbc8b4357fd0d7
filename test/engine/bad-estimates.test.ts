// What a user or a machine got wrong is corrected by what is measured, in time for on demand to make up for it.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import { fold } from '../../src/engine/fold.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import { latestStartMs } from '../../src/engine/slack.ts';
import { HOUR, launched, market, MINUTE, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

const checkpoint = { id: 'c', step: 10, bytes: 1, durationMs: 1, sealedAtMs: NOW, final: false };
const job = spec({ workMs: 3 * HOUR, deadlineMs: NOW + 14 * HOUR });
const running: readonly JobEvent[] = [launched(1), { type: 'resumed', atMs: NOW, attempt: 1, step: 0, epoch: 1, checkpointId: null }];

/** `hours` after its start on spot, with a fifth of its steps done and so many hours to go. */
function at(hours: number, hoursToGo: number) {
  const nowMs = NOW + hours * HOUR;
  const progress = { step: 200, totalSteps: 1000, remainingMs: hoursToGo * HOUR, atMs: nowMs };
  const view = market({ nowMs });
  return decide({
    nowMs,
    market: view,
    settings: SETTINGS,
    jobs: [{ record: record(running, job), attempts: [seen(1, { lastCheckpoint: checkpoint, progress })] }],
  });
}

describe('a duration that was estimated wrong by a factor of three', () => {
  it('too short: the job leaves spot for on demand while that still meets the deadline', () => {
    // It was to take 3 h and takes 9: after 1.8 h a fifth is done, and 7.2 h are to go.
    expect(at(1.8, 7.2)).toMatchObject([{ do: 'keep' }]);
    // Looked at as often as the worker does.
    const looks = Array.from({ length: 240 }, (_, i) => 5 + (i * SETTINGS.sweepMs) / HOUR);
    const first = looks.find((hours) => at(hours, 7.2)[0]?.do === 'stop') ?? 99;
    expect(first + 7.2 + (SETTINGS.startOverheadMs + SETTINGS.onDemandLeadMs) / HOUR).toBeLessThanOrEqual(14);
    expect(at(first, 7.2)).toMatchObject([{ do: 'stop', request: 'move', reason: 'latest-start-reached' }]);
  });

  it('too long: nothing is bought on demand for work that is not there', () => {
    // It was to take 3 h and takes 1: close to the deadline of a job of 3 h it is nearly done.
    expect(at(11.2, 0.8)).toMatchObject([{ do: 'keep' }]);
    expect(at(11.2, 2.7)).toMatchObject([{ do: 'stop', reason: 'latest-start-reached' }]);
  });
});

describe('a start that takes longer than it was configured or measured to', () => {
  const slow = (minutes: number): readonly JobEvent[] => [
    launched(1),
    { type: 'resumed', atMs: NOW + minutes * MINUTE, attempt: 1, step: 0, epoch: 1, checkpointId: null },
  ];

  it('moves the latest start earlier by what it took', () => {
    const usual = latestStartMs(fold(record(slow(3), job)), SETTINGS);
    expect(usual - latestStartMs(fold(record(slow(25), job)), SETTINGS)).toBe(22 * MINUTE);
  });

  it('is never believed to be next to nothing because it was once', () => {
    const configured = latestStartMs(fold(record([], job)), SETTINGS);
    expect(latestStartMs(fold(record(slow(0), job)), SETTINGS) - configured).toBe(SETTINGS.startOverheadMs / 2);
  });
});

describe('a clock or a market that jumps', () => {
  const night = (hour: number): number => (hour >= 21 || hour < 5 ? 0.1 : 0.2);
  const held = record([], job);

  it('past the latest start: on demand at once', () => {
    const nowMs = NOW + 11 * HOUR;
    expect(decide({ nowMs, market: market({ nowMs, shape: night }), settings: SETTINGS, jobs: [{ record: held, attempts: [] }] })).toMatchObject([
      { do: 'launch', reason: 'latest-start-reached' },
    ]);
  });

  it('back before it was submitted: the job is held or started, never lost', () => {
    const nowMs = NOW - 5 * HOUR;
    const [decision] = decide({ nowMs, market: market({ nowMs, shape: night }), settings: SETTINGS, jobs: [{ record: held, attempts: [] }] });
    expect(['hold', 'launch']).toContain(decision?.do);
    expect(decision?.wakeAtMs).toBeGreaterThan(nowMs);
  });

  it('a zone that vanished from the market while a job runs in it: the job goes on', () => {
    const view = market();
    const without = { ...view, offerings: view.offerings.filter((o) => o.zone !== 'euw3-az2'), spotHistory: [] };
    const decided = decide({ nowMs: NOW + HOUR, market: without, settings: SETTINGS, jobs: [{ record: record(running, job), attempts: [seen(1)] }] });
    expect(decided).toMatchObject([{ do: 'keep' }]);
  });

  it('prices that are negative, no number, or missing are no offer', () => {
    const view = market();
    const broken = {
      ...view,
      offerings: view.offerings.map((o) => (o.capacityType === 'spot' ? { ...o, priceUsdPerHour: o.zone === 'euw3-az1' ? -1 : Number.NaN } : o)),
    };
    expect(decide({ nowMs: NOW, market: broken, settings: SETTINGS, jobs: [{ record: held, attempts: [] }] })).toMatchObject([
      { do: 'hold', why: 'no-capacity' },
    ]);
  });
});
