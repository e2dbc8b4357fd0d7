// Attempts that do not start, and attempts whose end nobody tells: the job goes on elsewhere, in time.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import { fold } from '../../src/engine/fold.ts';
import { reconcile } from '../../src/engine/reconcile.ts';
import type { JobEvent, JobRecord } from '../../src/engine/record.ts';
import type { ObservedAttempt, ObservedNode } from '../../src/engine/snapshot.ts';
import { ended, launched, market, MINUTE, noticed, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

/** Every zone at one price: none is worth waiting for. */
const SPOT = { 'euw3-az1': 0.16, 'euw3-az2': 0.16, 'euw3-az3': 0.16 };
const only = (rec: JobRecord, attempts: readonly ObservedAttempt[], nowMs: number) =>
  decide({ nowMs, market: market({ spot: SPOT }), settings: SETTINGS, jobs: [{ record: rec, attempts }] });

const stopped = (attempt: number, reason: 'not-started' | 'cheaper-elsewhere', atMs = NOW): JobEvent => ({
  type: 'stop-requested',
  atMs,
  attempt,
  request: 'move',
  reason,
});
const endedUnstarted: JobEvent = { ...(ended(1) as Extract<JobEvent, { type: 'ended' }>), reason: 'not-started' };
const resumed: JobEvent = { type: 'resumed', atMs: NOW, attempt: 1, step: 0, epoch: 1, checkpointId: null };

describe('an attempt that has a machine and does not start there', () => {
  const waits = (attempt = 1, over: Partial<ObservedAttempt> = {}): ObservedAttempt => seen(attempt, { phase: 'pending', ...over });
  const after = (minutes: number, rec = record([launched(1)]), attempt = waits()) => only(rec, [attempt], NOW + minutes * MINUTE);

  it('is left alone for a while, then given up', () => {
    expect(after(9.9)).toMatchObject([{ do: 'keep' }]);
    expect(after(10)).toMatchObject([{ do: 'stop', request: 'move', reason: 'not-started' }]);
  });

  it('is not, once a container of it runs, however long that takes to say anything', () => {
    expect(after(60, record([launched(1)]), seen(1))).toMatchObject([{ do: 'keep' }]);
  });

  it('is given twice the time each further time: an image may take that long everywhere', () => {
    const again = record([launched(1), stopped(1, 'not-started'), endedUnstarted, launched(2, 'euw3-az1')]);
    expect(after(19, again, waits(2))).toMatchObject([{ do: 'keep' }]);
    expect(after(20, again, waits(2))).toMatchObject([{ do: 'stop', reason: 'not-started' }]);
  });

  it('is removed at once when it was asked to stop, for nothing of it could seal', () => {
    const rec = record([launched(1), stopped(1, 'not-started', NOW + 10 * MINUTE)]);
    expect(only(rec, [waits()], NOW + 10 * MINUTE)).toMatchObject([{ do: 'remove', reason: 'not-started' }]);
  });

  it('is followed by a start in another zone, which says why, and costs no retry', () => {
    const nowMs = NOW + 11 * MINUTE;
    const rec = record([launched(1), stopped(1, 'not-started', NOW + 10 * MINUTE)], spec({ retries: 0 }));
    const gone = waits(1, { phase: 'failed', endedAtMs: nowMs, deletionRequestedAtMs: nowMs, deletedByNerve: true });
    const facts = reconcile(rec, [gone], nowMs);
    expect(facts).toMatchObject([{ type: 'ended', cause: 'stopped', reason: 'not-started' }]);
    const next = only({ ...rec, events: [...rec.events, ...facts] }, [gone], nowMs);
    expect(next).toMatchObject([{ do: 'launch', attempt: 2, reason: 'not-started' }]);
    expect(next[0]).not.toMatchObject({ ranked: [{ zone: 'euw3-az2' }] });
  });

  it('on demand is followed by another zone’s on demand', () => {
    const late = spec({ deadlineMs: NOW + 3 * 60 * MINUTE + 15 * MINUTE });
    const onDemand: JobEvent = { ...(launched(1) as Extract<JobEvent, { type: 'launched' }>), capacityType: 'on-demand' };
    const rec = record([onDemand, stopped(1, 'not-started'), endedUnstarted], late);
    const [next] = only(rec, [], NOW + MINUTE);
    expect(next).toMatchObject({ do: 'launch', reason: 'latest-start-reached' });
    expect(next?.do === 'launch' && next.ranked.map(({ zone }) => zone)).toEqual(['euw3-az1', 'euw3-az3']);
  });
});

describe('a machine that has fallen silent', () => {
  const node = (notReadySinceMs: number | null): ObservedNode => ({ ...(seen(1).node as ObservedNode), notReadySinceMs });
  const silent = (over: Partial<ObservedAttempt> = {}): ObservedAttempt => seen(1, { node: node(NOW), ...over });
  const running = record([launched(1), resumed]);

  it('is given a notice’s length to come back, then its attempt is dropped', () => {
    expect(only(running, [silent()], NOW + 2 * MINUTE - 1)).toMatchObject([{ do: 'keep' }]);
    expect(only(running, [silent()], NOW + 2 * MINUTE)).toMatchObject([{ do: 'remove', reason: 'node-vanished' }]);
  });

  it.each<[string, JobRecord, Partial<ObservedAttempt>]>([
    ['that was to be deleted already', running, { deletionRequestedAtMs: NOW, graceEndsAtMs: NOW + 60 * MINUTE }],
    ['that was asked to stop', record([launched(1), resumed, stopped(1, 'cheaper-elsewhere')]), {}],
    ['whose notice ran out', record([launched(1), resumed, noticed(1)]), {}],
    ['of a job that was cancelled', record([launched(1), resumed, { type: 'cancel-requested', atMs: NOW }]), {}],
  ])('also one %s', (_, rec, over) => {
    expect(only(rec, [silent(over)], NOW + 2 * MINUTE)).toMatchObject([{ do: 'remove', attempt: 1, reason: 'node-vanished' }]);
  });

  it('is not believed about a Job’s pod: its deletion would count against the Job', () => {
    const program = { kind: 'pod', namespace: 'team', owner: 'job' } as const;
    const rec = record([launched(1), resumed], spec({ program }));
    expect(only(rec, [silent()], NOW + 20 * MINUTE)).toMatchObject([{ do: 'keep' }]);
  });

  it('lost the attempt that was dropped there: interrupted, and started again', () => {
    const dropped = silent({ phase: 'failed', endedAtMs: NOW + 3 * MINUTE, deletedByNerve: true });
    const facts = reconcile(running, [dropped], NOW + 3 * MINUTE);
    expect(facts).toMatchObject([{ type: 'ended', cause: 'interrupted', reason: 'node-vanished' }]);
    expect(fold({ ...running, events: [...running.events, ...facts] }).failures).toBe(0);
  });
});

describe('an attempt that outlives its deletion', () => {
  const LONG = NOW + 30 * MINUTE;
  const hangs = seen(1, { deletionRequestedAtMs: LONG - 5 * MINUTE, graceEndsAtMs: LONG - 2 * MINUTE, deletedByNerve: true });

  it('is replaced a notice’s length after it was to be killed', () => {
    const rec = record([launched(1), resumed, stopped(1, 'cheaper-elsewhere')]);
    expect(only(rec, [hangs], LONG - 1)).toMatchObject([{ do: 'keep', reason: 'evacuating' }]);
    expect(only(rec, [hangs], LONG)).toMatchObject([{ do: 'keep' }, { do: 'launch', attempt: 2, handover: { previousAttempt: 1 } }]);
  });

  it('is first called leaving, where somebody else deleted it', () => {
    const rec = record([launched(1), resumed]);
    expect(only(rec, [hangs], LONG - 1)).toMatchObject([{ do: 'keep', reason: 'running' }]);
    expect(only(rec, [hangs], LONG)).toMatchObject([{ do: 'stop', reason: 'node-vanished' }]);
  });
});
