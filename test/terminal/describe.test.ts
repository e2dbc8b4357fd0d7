// What `status` says and prints of one job on this machine.

import { describe as group, expect, it } from 'vitest';
import { fold } from '../../src/engine/fold.ts';
import { report } from '../../src/engine/report.ts';
import type { JobEvent, JobRecord } from '../../src/engine/record.ts';
import type { ObservedAttempt } from '../../src/engine/snapshot.ts';
import { describe, lines } from '../../src/terminal/describe.ts';
import { jobLines } from '../../src/terminal/ledger.ts';
import type { Session } from '../../src/wire.ts';
import { ended, HOUR, launched, MINUTE, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

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

group('an attempt that failed by itself', () => {
  const failed = (exitCode: number | null, logTail: string | null = ''): JobRecord => {
    const end = { ...ended(1, NOW + MINUTE), cause: 'failed', reason: 'retry-after-failure', exitCode, logTail } as JobEvent;
    const over: JobEvent = {
      type: 'finished',
      atMs: NOW + MINUTE,
      result: 'failed',
      reason: 'retries-used-up',
      late: false,
      usefulWorkMs: 0,
      counterfactual: null,
      finalCheckpoint: null,
    };
    return record([launched(1), end, over]);
  };

  it.each<[number | null, string, string]>([
    [3, 'failed with exit code 3', 'its last failure (exit code 3) printed nothing'],
    [143, 'failed with exit code 143 (as after signal 15, SIGTERM)', 'its last failure (exit code 143) printed nothing'],
    [137, 'failed with exit code 137 (as after signal 9, SIGKILL)', 'its last failure (exit code 137) printed nothing'],
    [255, 'failed with exit code 255', 'its last failure (exit code 255) printed nothing'],
    [null, 'failed', 'its last failure printed nothing'],
  ])('with %s says so in status and in the report', (exitCode, words, tail) => {
    const of = failed(exitCode);
    const { text } = status(of, []);
    expect(text).toMatch(new RegExp(`^attempt 1 .*: ${words.replace(/[()]/g, '\\$&')}$`, 'm'));
    expect(text).toContain(tail);
    expect(jobLines(report(of)).join('\n')).toContain(words);
  });

  it('has its exit code in --json of status and report', () => {
    const of = failed(3);
    expect(status(of, [])).toMatchObject({ lastFailure: '', lastFailureExitCode: 3, attempts: [{ end: 'failed', exitCode: 3 }] });
    expect(report(of).attempts).toMatchObject([{ cause: 'failed', exitCode: 3 }]);
    expect(status(record([launched(1)]), [])).toMatchObject({ lastFailureExitCode: null, attempts: [{ exitCode: null }] });
  });
});

it('does not count a program that asked to be started again as an interruption that was survived', () => {
  const again = { ...ended(1, NOW + MINUTE), cause: 'stopped', reason: 'asked-again', exitCode: 75 } as JobEvent;
  const { text, interruptions } = status(record([launched(1), again]), []);
  expect(interruptions).toBe(0);
  expect(text).toMatch(/^attempt 1 .*: asked to be started again \(exit code 75\)$/m);
});

it('shows a name as text, and cuts nothing of it in --json', () => {
  const name = `we\nird\u001B[31mred ${'x'.repeat(100)}`;
  const view = status(record([], spec({ name })), []);
  expect(view.text.split('\n')[0]).toMatch(/^j-test0001  we\\nirdred x{100} /);
  expect(view.name).toBe(name);
  expect(jobLines(report(record([], spec({ name }))))[0]).toMatch(/^j-test0001  we\\nirdred x/);
});
