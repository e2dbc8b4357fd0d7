// A job that may be stopped and resumed runs in the best hours; one that may not, in the best stretch.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import { quote } from '../../src/engine/quote.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import type { MarketView } from '../../src/engine/snapshot.ts';
import { HOUR, launched, market, MINUTE, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

/** Two cheap valleys of two hours with a dear hill of three between them; it is 17:00. */
const valleys = (hour: number): number => ([18, 19, 23, 0].includes(hour) ? 0.08 : 0.24);
const view = market({ spot: { 'euw3-az1': 0.24, 'euw3-az2': 0.24 }, shape: valleys });
const whole = spec({ workMs: 3.5 * HOUR, deadlineMs: NOW + 16 * HOUR });
const pieces = { ...whole, interruptible: true };

const running: readonly JobEvent[] = [launched(1), { type: 'resumed', atMs: NOW, attempt: 1, step: 0, epoch: 1, checkpointId: null }];
const checkpoint = { id: 'c', step: 10, bytes: 1, durationMs: 1, sealedAtMs: NOW, final: false };

function runningAt(hoursFromNow: number, spot: number, job = pieces, minutesLeft = 90) {
  const nowMs = NOW + hoursFromNow * HOUR;
  const then: MarketView = market({ nowMs, spot: { 'euw3-az1': spot, 'euw3-az2': spot }, shape: valleys });
  const progress = { step: 50, totalSteps: 100, remainingMs: minutesLeft * MINUTE, atMs: nowMs };
  return decide({
    nowMs,
    market: then,
    settings: SETTINGS,
    jobs: [{ record: record(running, job), attempts: [seen(1, { lastCheckpoint: checkpoint, progress })] }],
  });
}

describe('an interruptible job', () => {
  it('waits for the first of its hours and expects to pay for both valleys only', () => {
    const one = quote(whole, view, SETTINGS, NOW);
    const two = quote(pieces, view, SETTINGS, NOW);
    expect(two.plan.startMs).toBe(NOW + HOUR);
    expect(two.plan.expectedCostUsd ?? 1).toBeLessThan((one.plan.expectedCostUsd ?? 0) * 0.75);
  });

  it('stops on the hill when the second valley is ahead, and goes on in a valley', () => {
    expect(runningAt(3, 0.24)).toMatchObject([{ do: 'stop', request: 'move', reason: 'cheaper-window-ahead' }]);
    expect(runningAt(1.5, 0.08)).toMatchObject([{ do: 'keep' }]);
  });

  it('goes on where another start would eat the saving, where it is not allowed to stop, and where time is short', () => {
    expect(runningAt(3, 0.24, pieces, 3)).toMatchObject([{ do: 'keep' }]);
    expect(runningAt(3, 0.24, { ...pieces, interruptible: false })).toMatchObject([{ do: 'keep' }]);
    const tight = { ...pieces, deadlineMs: NOW + 5.6 * HOUR };
    expect(runningAt(3, 0.24, tight)).toMatchObject([{ do: 'keep' }]);
  });

  it('is not stopped before it has a checkpoint to go on from', () => {
    const nowMs = NOW + 3 * HOUR;
    const then = market({ nowMs, spot: { 'euw3-az1': 0.24, 'euw3-az2': 0.24 }, shape: valleys });
    const decision = decide({ nowMs, market: then, settings: SETTINGS, jobs: [{ record: record(running, pieces), attempts: [seen(1)] }] });
    expect(decision).toMatchObject([{ do: 'keep' }]);
  });
});
