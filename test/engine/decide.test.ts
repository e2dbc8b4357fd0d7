import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import type { JobEvent, JobRecord } from '../../src/engine/record.ts';
import type { MarketView, ObservedAttempt, Offering } from '../../src/engine/snapshot.ts';
import { ended, HOUR, launched, market, MINUTE, noticed, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

const only = (rec: JobRecord, view: MarketView, attempts: readonly ObservedAttempt[] = [], nowMs = NOW) =>
  decide({ nowMs, market: view, settings: SETTINGS, jobs: [{ record: rec, attempts }] });

describe('a held job', () => {
  it('starts in the cheapest spot zone when no better window is expected', () => {
    const [decision] = only(record(), market());
    expect(decision).toMatchObject({ do: 'launch', attempt: 1, reason: 'cheapest-now', handover: null });
    expect(decision?.do === 'launch' && decision.ranked[0]).toMatchObject({ zone: 'euw3-az2', capacityType: 'spot' });
  });

  it('is held for a window that the last seven days promise, and says until when', () => {
    const cheapAtNight = (hour: number) => (hour >= 21 || hour < 5 ? 0.1 : 0.2);
    const [decision] = only(record(), market({ spot: { 'euw3-az1': 0.2, 'euw3-az2': 0.2 }, shape: cheapAtNight }));
    expect(decision).toMatchObject({ do: 'hold', why: 'window', reason: 'cheaper-window-ahead' });
    expect(decision?.do === 'hold' && decision.plan.startMs).toBe(NOW + 4 * HOUR);
  });

  it('runs on demand once spot is no longer safe, whatever it costs', () => {
    const tight = spec({ deadlineMs: NOW + 3 * HOUR + 12 * MINUTE });
    const [decision] = only(record([], tight), market());
    expect(decision).toMatchObject({ do: 'launch', reason: 'latest-start-reached' });
    expect(decision?.do === 'launch' && decision.ranked.every((p) => p.capacityType === 'on-demand')).toBe(true);
  });

  it('treats spot at the on-demand price as no capacity', () => {
    const [decision] = only(record(), market({ spot: { 'euw3-az1': 0.615 } }));
    expect(decision).toMatchObject({ do: 'hold', why: 'no-capacity', reason: 'no-spot-capacity' });
  });

  it('stays held while its user pauses it, even when spot is cheap', () => {
    const [decision] = only(record([{ type: 'paused', atMs: NOW }]), market());
    expect(decision).toMatchObject({ do: 'hold', why: 'user', reason: 'user-paused' });
  });
});

const cheapButGone = (o: Offering): Offering => (o.zone === 'euw3-az2' && o.capacityType === 'spot' ? { ...o, priceUsdPerHour: 0.1 } : o);

describe('a running job', () => {
  const running = [launched(1), { type: 'resumed', atMs: NOW, attempt: 1, step: 0, epoch: 1, checkpointId: null } as const];

  it('is left alone', () => {
    expect(only(record(running), market(), [seen(1)])).toMatchObject([{ do: 'keep', attempt: 1 }]);
  });

  it('is replaced in a neighbouring zone while the notice still runs, with a handover', () => {
    const decisions = only(record([...running, noticed(1)]), market(), [seen(1)]);
    expect(decisions).toMatchObject([
      { do: 'keep', attempt: 1, reason: 'evacuating' },
      { do: 'launch', attempt: 2, reason: 'interruption-notice', handover: { previousAttempt: 1, waitSealedUntilMs: NOW + 2 * MINUTE } },
    ]);
    expect(decisions[1]?.do === 'launch' && decisions[1].ranked[0]?.zone).toBe('euw3-az3');
  });

  it('is replaced at once in a dearer zone where only a price list is known, not held for its own to come back', () => {
    const list = { ...market({ spot: { 'euw3-az1': 0.2, 'euw3-az2': null, 'euw3-az3': 0.3 } }), spotHistory: [] };
    const [, decision] = only(record([...running, noticed(1)]), { ...list, offerings: list.offerings.map(cheapButGone) }, [seen(1)]);
    expect(decision?.do === 'launch' && decision.ranked.map((p) => p.zone)).toEqual(['euw3-az1', 'euw3-az3']);
  });

  it('is removed once its final seal is known', () => {
    const sealed: JobEvent = {
      type: 'checkpointed',
      atMs: NOW,
      attempt: 1,
      checkpoint: { id: 'c1', step: 5, bytes: 1, durationMs: 1, sealedAtMs: NOW, final: true },
      progress: null,
    };
    const decisions = only(record([...running, noticed(1), sealed, launched(2, 'euw3-az3')]), market(), [seen(1), seen(2)]);
    expect(decisions).toMatchObject([
      { do: 'remove', attempt: 1 },
      { do: 'keep', attempt: 2 },
    ]);
  });

  it('is stopped with a checkpoint when its user pauses it', () => {
    expect(only(record([...running, { type: 'paused', atMs: NOW }]), market(), [seen(1)])).toMatchObject([{ do: 'stop', request: 'pause' }]);
  });

  it('is taken down when its user cancels it', () => {
    expect(only(record([...running, { type: 'cancel-requested', atMs: NOW }]), market(), [seen(1)])).toMatchObject([
      { do: 'remove', reason: 'user-cancelled' },
    ]);
  });
});

describe('the move limit', () => {
  const twice = [launched(1, 'euw3-az1'), noticed(1), ended(1), launched(2, 'euw3-az2'), noticed(2), ended(2), launched(3, 'euw3-az3'), ended(3)];

  it('never lets a job move a third time in the hour while it has slack', () => {
    const later = NOW + 10 * MINUTE;
    const view = market({ spot: { 'euw3-az1': 0.1, 'euw3-az2': 0.1, 'euw3-az3': null } });
    expect(only(record(twice), view, [], later)).toMatchObject([{ do: 'hold', reason: 'move-limit' }]);
  });

  it('lets it go on in the same zone', () => {
    const view = market({ spot: { 'euw3-az1': 0.1, 'euw3-az2': 0.1, 'euw3-az3': 0.1 } });
    const [decision] = only(record(twice), view, [], NOW + 10 * MINUTE);
    expect(decision?.do === 'launch' && decision.ranked.map((p) => p.zone)).toEqual(['euw3-az3']);
  });

  it('is broken only past the latest start, when the zone is said to have nothing; and that zone is asked first all the same', () => {
    const due = spec({ deadlineMs: NOW + 3 * HOUR });
    const view = market({ spot: { 'euw3-az1': null, 'euw3-az2': null, 'euw3-az3': null } });
    const dryZone3 = { ...view, offerings: view.offerings.map((o) => (o.zone === 'euw3-az3' ? { ...o, available: false } : o)) };
    const [decision] = only(record(twice, due), dryZone3, [], NOW + 10 * MINUTE);
    expect(decision?.do === 'launch' && decision.ranked.map((p) => p.zone)).toEqual(['euw3-az3', 'euw3-az1', 'euw3-az2']);
  });
});
