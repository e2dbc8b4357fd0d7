// Attempts that do not start, and attempts whose end nobody tells: the job goes on elsewhere, in time.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import { fold } from '../../src/engine/fold.ts';
import { observeNode } from '../../src/engine/pod/node.ts';
import { reconcile } from '../../src/engine/reconcile.ts';
import type { JobEvent, JobRecord } from '../../src/engine/record.ts';
import type { ObservedAttempt, ObservedNode } from '../../src/engine/snapshot.ts';
import { withoutOverdue } from '../../src/engine/unheard.ts';
import { ended, HOUR, launched, market, MINUTE, noticed, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

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

  it('is left alone while an init container of it works, or the trainer runs beside a sidecar that does not', () => {
    expect(after(31, record([launched(1), resumed]), waits(1, { resumed: { atMs: NOW, step: 0, epoch: 1, checkpointId: null } }))).toMatchObject([
      { do: 'keep' },
    ]);
    const noticedThen = record([launched(1), resumed, noticed(1, NOW + 31 * MINUTE)]);
    const progress = { step: 50, totalSteps: 100, remainingMs: HOUR, atMs: NOW + 30 * MINUTE };
    expect(only(noticedThen, [waits(1, { progress })], NOW + 31 * MINUTE)[0]).toMatchObject({ do: 'keep', reason: 'evacuating' });
  });

  it('is given the time that a start is known to take', () => {
    const at = NOW + HOUR + 2 * MINUTE;
    const slow = record([launched(1), { ...resumed, atMs: NOW + 15 * MINUTE }, noticed(1, NOW + HOUR), ended(1, at), launched(2, 'euw3-az1', at)]);
    expect(fold(slow).measuredStartOverheadMs).toBe(15 * MINUTE);
    expect(only(slow, [waits(2, { placedAtMs: at })], at + 29 * MINUTE)).toMatchObject([{ do: 'keep' }]);
  });

  it('on demand in its only zone is asked for there again: a machine was broken, not the zone dry', () => {
    const late = spec({ zones: ['euw3-az2'], deadlineMs: NOW + 3 * HOUR + 5 * MINUTE });
    const onDemand: JobEvent = { ...(launched(1) as Extract<JobEvent, { type: 'launched' }>), capacityType: 'on-demand' };
    const rec = record([onDemand, stopped(1, 'not-started', NOW + 10 * MINUTE), { ...endedUnstarted, atMs: NOW + 10 * MINUTE }], late);
    expect(only(rec, [], NOW + 11 * MINUTE)[0]).toMatchObject({ do: 'launch', ranked: [{ capacityType: 'on-demand' }] });
  });

  it('on demand is followed by another zone’s on demand', () => {
    const late = spec({ deadlineMs: NOW + 3 * 60 * MINUTE + 15 * MINUTE });
    const onDemand: JobEvent = { ...(launched(1) as Extract<JobEvent, { type: 'launched' }>), capacityType: 'on-demand' };
    const rec = record([onDemand, stopped(1, 'not-started'), endedUnstarted], late);
    const [next] = only(rec, [], NOW + MINUTE);
    expect(next).toMatchObject({ do: 'launch', reason: 'latest-start-reached' });
    expect(next?.do === 'launch' && next.ranked.map(({ zone }) => zone)).toEqual(['euw3-az1', 'euw3-az3', 'euw3-az2']);
  });
});

describe('a machine that has fallen silent', () => {
  const node = (silentSinceMs: number): ObservedNode => ({ ...(seen(1).node as ObservedNode), ready: false, silentSinceMs });
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

  it('is not one whose kubelet says itself that it is not ready: what runs there can still seal', () => {
    const says = (status: string) =>
      observeNode({ metadata: { name: 'n1' }, status: { conditions: [{ type: 'Ready', status, lastTransitionTime: new Date(NOW).toISOString() }] } });
    expect(says('Unknown')).toMatchObject({ ready: false, silentSinceMs: NOW });
    expect(says('False')).toMatchObject({ ready: false, silentSinceMs: null });
    expect(says('True')).toMatchObject({ ready: true, silentSinceMs: null });
  });

  it('does not keep the other attempt from being cancelled, while what is lost does not go (a finalizer)', () => {
    const rec = record([launched(1), noticed(1), launched(2, 'euw3-az1'), { type: 'cancel-requested', atMs: NOW + HOUR }]);
    expect(only(rec, [silent(), seen(2)], NOW + HOUR).map((d) => 'attempt' in d && [d.do, d.attempt])).toEqual([
      ['remove', 1],
      ['remove', 2],
    ]);
  });

  it('lost the attempt that was dropped there: interrupted, and started again', () => {
    const dropped = silent({ phase: 'failed', endedAtMs: NOW + 3 * MINUTE, deletedByNerve: true });
    const facts = reconcile(running, [dropped], NOW + 3 * MINUTE);
    expect(facts).toMatchObject([{ type: 'ended', cause: 'interrupted', reason: 'node-vanished' }]);
    expect(fold({ ...running, events: [...running.events, ...facts] }).failures).toBe(0);
  });
});

describe('an attempt that outlives its deletion', () => {
  const LATER = NOW + 4 * HOUR;
  const elsewhere = { zone: 'euw3-az1', node: { ...(seen(2).node as ObservedNode), name: 'n2', zone: 'euw3-az1' } };
  const hangs = seen(1, { deletionRequestedAtMs: NOW + 10 * MINUTE, graceEndsAtMs: NOW + 11 * MINUTE, deletedByNerve: true });
  const moved = [launched(1), resumed, stopped(1, 'cheaper-elsewhere', NOW + 9 * MINUTE)];
  const look = (rec: JobRecord, shown: readonly ObservedAttempt[], nowMs: number) => {
    const attempts = withoutOverdue(shown, SETTINGS, nowMs);
    const after = { ...rec, events: [...rec.events, ...reconcile(rec, attempts, nowMs)] };
    return { after, decisions: only(after, attempts, nowMs), state: fold(after) };
  };

  it('is taken for ended a notice’s length after it was to be killed, and replaced', () => {
    expect(look(record(moved), [hangs], NOW + 13 * MINUTE - 1).decisions).toMatchObject([{ do: 'keep', reason: 'evacuating' }]);
    const { state, decisions } = look(record(moved), [hangs], NOW + 13 * MINUTE);
    expect(state.attempts[0]?.ended).toMatchObject({ cause: 'stopped', reason: 'cheaper-elsewhere' });
    expect(decisions).toMatchObject([{ do: 'launch', attempt: 2 }]);
  });

  const beside = [...look(record(moved), [hangs], NOW + 13 * MINUTE).after.events.slice(1), launched(2, 'euw3-az1', NOW + 13 * MINUTE)];
  const second = (over: Partial<ObservedAttempt> = {}): ObservedAttempt => seen(2, { ...elsewhere, ...over });

  it('keeps its job neither from success nor from being cancelled', () => {
    expect(look(record(beside), [hangs, second({ phase: 'succeeded', exitCode: 0, endedAtMs: LATER })], LATER).state.finished?.result).toBe(
      'succeeded',
    );
    const cancelled = record([...beside, { type: 'cancel-requested', atMs: LATER }]);
    const gone = second({ phase: 'failed', exitCode: 143, endedAtMs: LATER, deletionRequestedAtMs: LATER, deletedByNerve: true });
    expect(look(cancelled, [hangs, gone], LATER).state.finished?.result).toBe('cancelled');
  });

  it('does not make a replacement’s failures free, nor its notice wait', () => {
    const failed = second({ phase: 'failed', exitCode: 1, endedAtMs: LATER });
    expect(look(record(beside, spec({ retries: 0 })), [hangs, failed], LATER).state.finished?.result).toBe('failed');
    const interruption = { action: 'terminate', noticedAtMs: LATER, endsAtMs: LATER + 2 * MINUTE } as const;
    const taken = second({ node: { ...elsewhere.node, interruption } });
    expect(look(record(beside), [hangs, taken], LATER).decisions.some((d) => d.do === 'launch')).toBe(true);
  });

  it('stays what its user made of it, where that was who deleted it', () => {
    const deleted = { ...hangs, deletedByNerve: false };
    const { state, decisions } = look(record([launched(1), resumed]), [deleted], NOW + 13 * MINUTE);
    expect(state.finished).toMatchObject({ result: 'cancelled', reason: 'deleted-by-someone-else' });
    expect(decisions).toEqual([]);
  });
});
