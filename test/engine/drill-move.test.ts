import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import { fold } from '../../src/engine/fold.ts';
import { requestEvent } from '../../src/engine/pod/request.ts';
import { statusAnnotations } from '../../src/engine/pod/status.ts';
import type { JobEvent, JobRecord } from '../../src/engine/record.ts';
import type { MarketView, ObservedAttempt } from '../../src/engine/snapshot.ts';
import { ended, HOUR, launched, market, MINUTE, noticed, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

const only = (rec: JobRecord, view: MarketView, attempts: readonly ObservedAttempt[] = [seen(1)], nowMs = NOW) =>
  decide({ nowMs, market: view, settings: SETTINGS, jobs: [{ record: rec, attempts }] });

const running: readonly JobEvent[] = [launched(1), { type: 'resumed', atMs: NOW, attempt: 1, step: 0, epoch: 1, checkpointId: null }];
const asked: JobEvent = { type: 'move-requested', atMs: NOW };
const stopped: JobEvent = { type: 'stop-requested', atMs: NOW, attempt: 1, request: 'move', reason: 'drill' };
const sealed: JobEvent = {
  type: 'checkpointed',
  atMs: NOW,
  attempt: 1,
  checkpoint: { id: 'c1', step: 5, bytes: 1, durationMs: 1, sealedAtMs: NOW, final: true },
  progress: null,
};
const stopsForDrill = [{ do: 'stop', attempt: 1, request: 'move', reason: 'drill' }];

describe('a job whose user asks for a move', () => {
  it('is asked for a final checkpoint', () => {
    expect(only(record([...running, asked]), market())).toMatchObject(stopsForDrill);
  });

  it('goes on in another zone once it is sealed, although its own is the cheapest', () => {
    const decisions = only(record([...running, asked, stopped, sealed]), market());
    expect(decisions).toMatchObject([
      { do: 'remove', attempt: 1, reason: 'drill' },
      { do: 'launch', attempt: 2, reason: 'drill', handover: { previousAttempt: 1 } },
    ]);
    expect(decisions[1]?.do === 'launch' && decisions[1].ranked.map((p) => p.zone)).toEqual(['euw3-az3', 'euw3-az1']);
  });

  it('also when the worker that asked for the stop died before it could say so', () => {
    const lost: JobEvent = { ...stopped, reason: 'cheaper-elsewhere' };
    const [, launch] = only(record([...running, asked, lost, sealed]), market());
    expect(launch?.do === 'launch' && launch.ranked.some((p) => p.zone === 'euw3-az2')).toBe(false);
  });

  it('goes on demand where no other zone has spot', () => {
    const view = market({ spot: { 'euw3-az1': null, 'euw3-az2': 0.16 } });
    const [, launch] = only(record([...running, asked, stopped, sealed]), view);
    expect(launch?.do === 'launch' && launch.ranked).toMatchObject([{ zone: 'euw3-az1', capacityType: 'on-demand' }]);
  });

  it('never takes spot for it where that is not safe for the deadline', () => {
    const tight = spec({ deadlineMs: NOW + 3 * HOUR + 12 * MINUTE });
    expect(only(record([...running, asked], tight), market({ onDemandAvailable: false }))).not.toMatchObject(stopsForDrill);
    const [, launch] = only(record([...running, asked, stopped, sealed], tight), market());
    expect(launch?.do === 'launch' && new Set(launch.ranked.map((p) => p.capacityType))).toEqual(new Set(['on-demand']));
  });

  it('moves once for one ask', () => {
    const moved = [...running, asked, stopped, sealed, launched(2, 'euw3-az3'), ended(1)];
    expect(fold(record(moved)).moveRequestedAtMs).toBe(null);
    expect(only(record(moved), market(), [seen(2)])).toMatchObject([{ do: 'keep', attempt: 2 }]);
  });

  it.each([
    ['there is no other zone', market({ spot: { 'euw3-az2': 0.16 } }), record([...running, asked]), NOW],
    ['its deadline is near', market(), record([...running, asked], spec({ deadlineMs: NOW + 2 * HOUR })), NOW],
    ['the ask is old', market(), record([...running, asked]), NOW + SETTINGS.noticeMs + MINUTE],
  ])('stays where it is when %s', (_, view, of, nowMs) => {
    expect(only(of, view, [seen(1)], nowMs)).not.toMatchObject(stopsForDrill);
  });

  it('stays where it is when it has moved twice within the hour', () => {
    const twice = [launched(1, 'euw3-az1'), noticed(1), ended(1), launched(2, 'euw3-az2'), noticed(2), ended(2), launched(3, 'euw3-az3'), asked];
    expect(only(record(twice), market(), [seen(3, { zone: 'euw3-az3' })])).toMatchObject([{ do: 'keep', attempt: 3 }]);
  });
});

it('the ask on a pod becomes the event', () => {
  expect(requestEvent('move#a1', fold(record(running)), NOW)).toEqual(asked);
});

it('the cost of what has ended stands on the pod, and nothing before anything has', () => {
  const usage = [{ fromMs: NOW, toMs: NOW + HOUR, priceUsdPerHour: 0.12345678, facilityPowerKw: 0.1, carbonGramsPerKwh: 50 }];
  expect(statusAnnotations(fold(record(running)))['nerve.io/cost-usd']).toBe(null);
  const paid = { ...ended(1), usage } as JobEvent;
  expect(statusAnnotations(fold(record([...running, noticed(1), paid])))['nerve.io/cost-usd']).toBe('0.1235');
});
