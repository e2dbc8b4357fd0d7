// What the simulation found in the engine, each as the smallest case that shows it.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import { illegalOrder } from '../../src/engine/fold.ts';
import { reconcile } from '../../src/engine/reconcile.ts';
import type { JobRecord } from '../../src/engine/record.ts';
import type { MarketView, ObservedAttempt } from '../../src/engine/snapshot.ts';
import { ended, HOUR, launched, market, MINUTE, noticed, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

const only = (rec: JobRecord, view: MarketView, attempts: readonly ObservedAttempt[] = [], nowMs = NOW) =>
  decide({ nowMs, market: view, settings: SETTINGS, jobs: [{ record: rec, attempts }] });

const unplaced = { ...ended(2), cause: 'not-placed', reason: 'placement-failed' } as const;
const pending = (attempt: number, over: Partial<ObservedAttempt> = {}): ObservedAttempt =>
  seen(attempt, { phase: 'pending', placedAtMs: null, node: null, nodeName: null, ...over });
const overdue = spec({ deadlineMs: NOW + 3 * HOUR });

describe('a record', () => {
  it('may launch a third attempt while the first is leaving, when the second was never placed', () => {
    expect(illegalOrder([...record().events, launched(1), noticed(1), launched(2, 'euw3-az1'), unplaced, launched(3, 'euw3-az3')])).toBeNull();
    expect(illegalOrder([...record().events, launched(1), noticed(1), launched(2), noticed(2), launched(3)])).toMatch('attempts 1 and 2 are open');
  });
});

describe('a job whose attempt completes while its replacement starts', () => {
  const done = { ...ended(1), cause: 'succeeded', reason: 'completed' } as const;
  const rec = record([launched(1), noticed(1), launched(2, 'euw3-az1'), done]);

  it('is not computed once more: the replacement is removed, and the job has succeeded', () => {
    expect(only(rec, market(), [seen(2)])).toMatchObject([{ do: 'remove', attempt: 2, reason: 'completed' }]);
    const gone = seen(2, { phase: 'failed', exitCode: 143, endedAtMs: NOW, deletionRequestedAtMs: NOW, deletedByNerve: true });
    expect(reconcile(rec, [gone], NOW + MINUTE).at(-1)).toMatchObject({ type: 'finished', result: 'succeeded', late: false });
  });
});

describe('a job past its latest start', () => {
  it('keeps its pending spot ask while on demand has nothing, and gives it up once it has', () => {
    const rec = record([launched(1)], overdue);
    expect(only(rec, market({ onDemandAvailable: false }), [pending(1)])).toMatchObject([{ do: 'keep' }]);
    expect(only(rec, market(), [pending(1)])).toMatchObject([{ do: 'remove', reason: 'placement-failed' }]);
  });

  it('stays on spot when the on demand on offer is not for it: another zone, or above its cap', () => {
    const running = [launched(1), { type: 'resumed', atMs: NOW, attempt: 1, step: 0, epoch: 1, checkpointId: null } as const];
    const tight = { ...overdue, deadlineMs: NOW + 3 * HOUR + 6 * MINUTE };
    expect(only(record(running, tight), market(), [seen(1)])).toMatchObject([{ do: 'stop', reason: 'latest-start-reached' }]);
    const capped = { ...tight, maxPriceUsdPerHour: 0.3 };
    expect(only(record(running, capped), market(), [seen(1)])).toMatchObject([{ do: 'keep' }]);
    const tied = { ...tight, zones: ['euw3-az2'] };
    const view = market();
    const elsewhere = {
      ...view,
      offerings: view.offerings.map((o) => (o.capacityType === 'on-demand' && o.zone === 'euw3-az2' ? { ...o, available: false } : o)),
    };
    expect(only(record(running, tied), elsewhere, [seen(1)])).toMatchObject([{ do: 'keep' }]);
  });
});

describe('a feed that says no price at all', () => {
  const nonsense = (price: number): MarketView => ({ ...market(), offerings: market().offerings.map((o) => ({ ...o, priceUsdPerHour: price })) });
  const tight = { ...overdue, deadlineMs: NOW + 2 * HOUR + 15 * MINUTE };

  it.each([Number.NaN, 0, -1, Number.POSITIVE_INFINITY])('costs money, never a deadline (%d USD/h)', (price) => {
    expect(only(record([], tight), nonsense(price))).toMatchObject([
      { do: 'launch', reason: 'latest-start-reached', ranked: [{ capacityType: 'on-demand', priceUsdPerHour: null }, {}, {}] },
    ]);
  });

  it('starts nothing while there is slack, and nothing that may be above the cap', () => {
    expect(only(record([], { ...overdue, deadlineMs: NOW + 20 * HOUR }), nonsense(Number.NaN))).toMatchObject([{ do: 'hold', why: 'no-capacity' }]);
    expect(only(record([], { ...tight, maxPriceUsdPerHour: 0.3 }), nonsense(Number.NaN))).toMatchObject([{ do: 'hold', reason: 'price-cap' }]);
  });

  it('does not hide a zone that has a price', () => {
    const view = nonsense(Number.NaN);
    const one = { ...view, offerings: view.offerings.map((o) => (o.zone === 'euw3-az3' ? { ...o, priceUsdPerHour: 0.615 } : o)) };
    expect(only(record([], tight), one)).toMatchObject([{ do: 'launch', ranked: [{ zone: 'euw3-az3', priceUsdPerHour: 0.615 }, {}, {}] }]);
  });
});

describe('a pending attempt', () => {
  it('is not given up at once because the clock jumped ahead of the cluster', () => {
    const jumped = NOW + 10 * MINUTE;
    const rec = record([launched(1, 'euw3-az2', jumped)]);
    expect(only(rec, market(), [pending(1, { createdAtMs: NOW })], jumped + 1000)).toMatchObject([{ do: 'keep' }]);
    expect(only(rec, market(), [pending(1, { createdAtMs: NOW })], jumped + SETTINGS.placementTimeoutMs)).toMatchObject([{ do: 'remove' }]);
  });
});

describe('a job whose only zone was just taken back', () => {
  it('waits a while for capacity, instead of looking again every millisecond for a move that is legal', () => {
    const rec = record([launched(1), noticed(1), ended(1)]);
    const [decision] = only(rec, market({ spot: { 'euw3-az2': 0.16 } }));
    expect(decision).toMatchObject({ do: 'hold', reason: 'no-spot-capacity', wakeAtMs: NOW + SETTINGS.placementTimeoutMs });
  });
});

describe('a stop that was asked for by a worker which died before it could say so', () => {
  it('is found on the object and recorded, once', () => {
    const rec = record([launched(1)]);
    const facts = reconcile(rec, [seen(1, { stopRequest: 'move' })], NOW);
    expect(facts).toMatchObject([{ type: 'stop-requested', attempt: 1, request: 'move' }]);
    expect(reconcile({ ...rec, events: [...rec.events, ...facts] }, [seen(1, { stopRequest: 'move' })], NOW)).toEqual([]);
  });
});

describe('an attempt that was only asked to stop', () => {
  const asked = { type: 'stop-requested', atMs: NOW, attempt: 1, request: 'move', reason: 'cheaper-elsewhere' } as const;
  const seal = { id: 'c1', step: 5, bytes: 1, durationMs: 1, sealedAtMs: NOW, final: true };

  it('is not replaced before its final seal is known: it may never have heard, and would compute beside its replacement', () => {
    expect(only(record([launched(1), asked]), market(), [seen(1)])).toMatchObject([{ do: 'keep', reason: 'evacuating' }]);
    const sealed = record([launched(1), asked, { type: 'checkpointed', atMs: NOW, attempt: 1, checkpoint: seal, progress: null }]);
    expect(only(sealed, market(), [seen(1)])).toMatchObject([{ do: 'remove' }, { do: 'launch', attempt: 2, handover: { previousAttempt: 1 } }]);
  });
});
