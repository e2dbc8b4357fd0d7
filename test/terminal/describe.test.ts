// What `status` says and prints of one job on this machine.

import { describe as group, expect, it } from 'vitest';
import { fold } from '../../src/engine/fold.ts';
import type { JobEvent, JobRecord } from '../../src/engine/record.ts';
import type { ObservedAttempt } from '../../src/engine/snapshot.ts';
import { describe, lines } from '../../src/terminal/describe.ts';
import type { Session } from '../../src/wire.ts';
import { HOUR, launched, MINUTE, NOW, record, seen, SETTINGS } from '../support/build.ts';

function status(of: JobRecord, objects: readonly ObservedAttempt[], nowMs = NOW + HOUR) {
  const session = { settings: SETTINGS, clock: { nowMs: () => nowMs }, target: 'local' } as unknown as Session;
  const view = describe(of, fold(of), objects, session);
  return { ...view, text: lines(view, nowMs).join('\n') };
}

group('a program without the checkpoint SDK', () => {
  const running = record([launched(1)]);

  it('is shown as running once it is past any start, and it is said that it reports no progress', () => {
    const { phase, sentence } = status(running, [seen(1)]);
    expect({ phase, sentence }).toEqual({
      phase: 'running',
      sentence: expect.stringMatching(/^running on spot .* in euw3-az2; it reports no progress$/),
    });
  });

  it.each<[string, readonly ObservedAttempt[], number]>([
    ['nobody has seen its process', [], HOUR],
    ['it waits for a machine', [seen(1, { phase: 'pending', placedAtMs: null })], HOUR],
    ['it has only just begun', [seen(1)], MINUTE],
    ['its hook answers, and says that it still loads', [seen(1, { progress: { step: 0, totalSteps: null, remainingMs: null, atMs: NOW } })], HOUR],
  ])('is starting while %s', (_, objects, ms) => {
    expect(status(running, objects, NOW + ms).phase).toBe('starting');
  });
});

it('says that a job is being cancelled from the moment that was asked', () => {
  const asked: JobEvent = { type: 'cancel-requested', atMs: NOW };
  expect(status(record([launched(1), asked]), [seen(1)]).sentence).toMatch(/^being cancelled; attempt 1 still runs on spot .* in euw3-az2$/);
  expect(status(record([asked]), []).sentence).toBe('being cancelled');
});
