// A job whose length nobody knows runs at once, until it says how long it takes; then it is planned like any other.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import { fold } from '../../src/engine/fold.ts';
import { quote } from '../../src/engine/quote.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import { remainingWorkMs } from '../../src/engine/slack.ts';
import type { MarketView, ObservedAttempt } from '../../src/engine/snapshot.ts';
import { HOUR, launched, market, MINUTE, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

const unknown = spec({ workMs: 10 * MINUTE, workSource: 'profile', profileMs: 10 * MINUTE });
/** Dear now, cheap at night: whoever can wait, waits. */
const cheapAtNight = market({ spot: { 'euw3-az1': 0.2, 'euw3-az2': 0.2 }, shape: (hour) => (hour >= 21 || hour < 5 ? 0.1 : 0.2) });
const running: readonly JobEvent[] = [launched(1), { type: 'resumed', atMs: NOW + MINUTE, attempt: 1, step: 0, epoch: 1, checkpointId: null }];
const checkpoint = { id: 'c', step: 10, bytes: 1, durationMs: 1, sealedAtMs: NOW + 4 * MINUTE, final: false };

function after(minutes: number, over: Partial<ObservedAttempt>, view: MarketView = cheapAtNight, events: readonly JobEvent[] = running) {
  return decide({
    nowMs: NOW + minutes * MINUTE,
    market: view,
    settings: SETTINGS,
    jobs: [{ record: record(events, unknown), attempts: [seen(1, over)] }],
  });
}
const reported = (remainingMs: number | null, atMinute: number): Partial<ObservedAttempt> => ({
  lastCheckpoint: checkpoint,
  progress: { step: 10, totalSteps: remainingMs === null ? null : 1000, remainingMs, atMs: NOW + atMinute * MINUTE },
});

describe('a job of unknown length', () => {
  it('starts at once on the cheapest spot, although a better window is ahead', () => {
    const [decision] = decide({ nowMs: NOW, market: cheapAtNight, settings: SETTINGS, jobs: [{ record: record([], unknown), attempts: [] }] });
    expect(decision).toMatchObject({ do: 'launch', reason: 'profiling' });
    expect(decision?.do === 'launch' && decision.ranked[0]?.capacityType).toBe('spot');
    const [known] = decide({ nowMs: NOW, market: cheapAtNight, settings: SETTINGS, jobs: [{ record: record(), attempts: [] }] });
    expect(known).toMatchObject({ do: 'hold' });
  });

  it('waits for spot where there is none, and runs on demand when time runs out', () => {
    const none = market({ spot: { 'euw3-az1': null, 'euw3-az2': null } });
    const at = (nowMs: number) => decide({ nowMs, market: none, settings: SETTINGS, jobs: [{ record: record([], unknown), attempts: [] }] })[0];
    expect(at(NOW)).toMatchObject({ do: 'hold', why: 'no-capacity' });
    expect(at(unknown.deadlineMs - 12 * MINUTE)).toMatchObject({ do: 'launch', reason: 'latest-start-reached' });
  });

  it('goes on while it has not said how long it takes', () => {
    expect(after(3, { lastCheckpoint: checkpoint, progress: null })).toMatchObject([{ do: 'keep' }]);
    expect(after(3, reported(null, 3))).toMatchObject([{ do: 'keep' }]);
    expect(after(30, reported(null, 30))).toMatchObject([{ do: 'keep' }]);
  });

  it('saves and is held when it has said so and waiting pays', () => {
    expect(after(5, reported(3 * HOUR, 5))).toMatchObject([{ do: 'stop', request: 'move', reason: 'cheaper-window-ahead' }]);
    const sealed: readonly JobEvent[] = [
      ...running,
      { type: 'stop-requested', atMs: NOW + 5 * MINUTE, attempt: 1, request: 'move', reason: 'cheaper-window-ahead' },
      {
        type: 'checkpointed',
        atMs: NOW + 6 * MINUTE,
        attempt: 1,
        checkpoint: { ...checkpoint, final: true },
        progress: { step: 10, totalSteps: 1000, remainingMs: 3 * HOUR },
      },
      {
        type: 'ended',
        atMs: NOW + 6 * MINUTE,
        attempt: 1,
        cause: 'stopped',
        reason: 'cheaper-window-ahead',
        exitCode: 75,
        usage: [],
        lostWorkMs: 0,
        progress: { step: 10, totalSteps: 1000, remainingMs: 3 * HOUR },
        logTail: null,
      },
    ];
    const [held] = decide({
      nowMs: NOW + 7 * MINUTE,
      market: cheapAtNight,
      settings: SETTINGS,
      jobs: [{ record: record(sealed, unknown), attempts: [] }],
    });
    expect(held).toMatchObject({ do: 'hold', why: 'window', reason: 'cheaper-window-ahead' });
    expect(held?.do === 'hold' && held.plan.startMs).toBeGreaterThan(NOW + 3 * HOUR);
  });

  it('goes on when waiting does not pay, when it has no time to wait, or when the moment to ask has passed', () => {
    expect(after(5, reported(3 * HOUR, 5), market())).toMatchObject([{ do: 'keep' }]);
    expect(after(5, reported(13.6 * HOUR, 5))).toMatchObject([{ do: 'keep' }]);
    expect(after(40, reported(3 * HOUR, 40))).toMatchObject([{ do: 'keep' }]);
  });

  it('is believed at once, since there was no estimate to hold against it', () => {
    const progress = { step: 10, totalSteps: 1000, remainingMs: 5 * HOUR };
    expect(remainingWorkMs(fold(record([], unknown)), progress)).toBe(5 * HOUR);
    expect(remainingWorkMs(fold(record()), progress)).toBeLessThan(3.2 * HOUR);
  });

  it('is quoted without figures that nobody can know', () => {
    const offer = quote(unknown, cheapAtNight, SETTINGS, NOW);
    expect(offer.risk).toBeNull();
    expect(offer.warnings.join(' ')).toContain('how long this job takes');
  });
});
