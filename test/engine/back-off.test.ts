// A job that fails by itself: the first retry follows at once, the next ones wait for what may be down, but never past the latest start.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import type { JobEvent, JobRecord } from '../../src/engine/record.ts';
import { ended, HOUR, launched, market, MINUTE, NOW, record, SETTINGS, spec } from '../support/build.ts';

const failed = (attempt: number): JobEvent => ({
  ...(ended(attempt) as Extract<JobEvent, { type: 'ended' }>),
  atMs: NOW,
  cause: 'failed',
  reason: 'retry-after-failure',
  exitCode: 1,
});
const after = (failures: number, of = spec({ retries: 9 }), more: readonly JobEvent[] = []): JobRecord =>
  record([...Array.from({ length: failures }, (_, i) => [launched(i + 1), failed(i + 1)]).flat(), ...more], of);
/** Every zone at one price: none is worth waiting for. */
const SPOT = { 'euw3-az1': 0.16, 'euw3-az2': 0.16, 'euw3-az3': 0.16 };
const only = (rec: JobRecord, nowMs: number) =>
  decide({ nowMs, market: market({ spot: SPOT }), settings: SETTINGS, jobs: [{ record: rec, attempts: [] }] });

describe('a job that failed by itself', () => {
  it('is tried again at once the first time', () => {
    expect(only(after(1), NOW)).toMatchObject([{ do: 'launch', attempt: 2, reason: 'retry-after-failure' }]);
  });

  it.each([
    [2, 30_000],
    [3, 2 * MINUTE],
    [4, 8 * MINUTE],
    [5, 10 * MINUTE],
    [9, 10 * MINUTE],
  ])('waits after failure %d for %d ms', (failures, waitMs) => {
    const held = only(after(failures), NOW + waitMs - 1);
    expect(held).toMatchObject([{ do: 'hold', why: 'retry', reason: 'backing-off', wakeAtMs: NOW + waitMs, plan: { startMs: NOW + waitMs } }]);
    expect(only(after(failures), NOW + waitMs)).toMatchObject([{ do: 'launch', reason: 'retry-after-failure' }]);
  });

  it('does not use up the time in which spot is safe', () => {
    const tight = spec({ retries: 9, deadlineMs: NOW + 3 * HOUR + 17.5 * MINUTE });
    expect(only(after(3, tight), NOW)).toMatchObject([{ do: 'launch', ranked: [{ capacityType: 'spot' }, {}, {}] }]);
  });

  it('does not wait past its latest start, nor once its user has released it', () => {
    const tight = spec({ retries: 9, deadlineMs: NOW + 3 * HOUR + 20 * MINUTE });
    expect(only(after(5, tight), NOW + 1)).toMatchObject([{ do: 'launch' }]);
    expect(only(after(5, undefined, [{ type: 'release-requested', atMs: NOW }]), NOW + 1)).toMatchObject([{ do: 'launch' }]);
  });
});
