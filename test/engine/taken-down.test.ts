// An attempt that ended because Nerve on its machine was ended.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import { fold } from '../../src/engine/fold.ts';
import { reconcile } from '../../src/engine/reconcile.ts';
import type { JobRecord } from '../../src/engine/record.ts';
import type { ObservedAttempt } from '../../src/engine/snapshot.ts';
import { launched, market, MINUTE, NOW, record, seen, SETTINGS, spec } from '../support/build.ts';

const LATER = NOW + 10 * MINUTE;
const down = (over: Partial<ObservedAttempt> = {}): ObservedAttempt =>
  seen(1, {
    phase: 'failed',
    exitCode: 143,
    endedAtMs: LATER,
    deletionRequestedAtMs: LATER - 1000,
    deletedByNerve: true,
    stopRequest: 'down',
    ...over,
  });
const notice = { action: 'terminate', noticedAtMs: NOW, endsAtMs: LATER } as const;

const factsOf = (object: ObservedAttempt, of = record([launched(1)], spec({ retries: 0 }))) => reconcile(of, [object], LATER);

describe('an attempt that was taken down with Nerve', () => {
  it.each([
    ['with 143 and no seal', down()],
    ['with a code of its own', down({ exitCode: 1 })],
    ['unheard', down({ exitCode: null, node: null })],
  ])('and ended %s was stopped: no retry is used, and the job lives', (_, object) => {
    const facts = factsOf(object);
    expect(facts.map(({ type }) => type)).toEqual(['stop-requested', 'ended']);
    expect(facts[0]).toMatchObject({ request: 'down', reason: 'taken-down' });
    expect(facts[1]).toMatchObject({ cause: 'stopped', reason: 'taken-down' });
  });

  it('succeeded if it did', () => {
    expect(factsOf(down({ phase: 'succeeded', exitCode: 0 })).at(-1)).toMatchObject({ type: 'finished', result: 'succeeded' });
  });

  it('failed by itself if it was not asked to end', () => {
    const alone = down({ exitCode: 1, deletionRequestedAtMs: null, deletedByNerve: false, stopRequest: null });
    expect(factsOf(alone).at(-1)).toMatchObject({ type: 'finished', reason: 'retries-used-up' });
  });

  it('was interrupted if the cloud had announced that already', () => {
    const node = { ...seen(1).node, interruption: notice } as ObservedAttempt['node'];
    expect(factsOf(down({ stopRequest: null, node })).at(-1)).toMatchObject({ type: 'ended', cause: 'interrupted', reason: 'interruption-notice' });
  });

  const after = (reason: 'cheapest-now' | 'user-released'): JobRecord => {
    const before = record([{ ...launched(1), reason } as ReturnType<typeof launched>]);
    const events = [...before.events, ...factsOf(down(), before)];
    return { ...before, version: events.length, events };
  };
  const cheapAtNight = market({ nowMs: LATER, spot: { 'euw3-az1': 0.2, 'euw3-az2': 0.2 }, shape: (hour) => (hour >= 21 || hour < 5 ? 0.1 : 0.2) });
  const next = (of: JobRecord, view = market({ nowMs: LATER })) =>
    decide({ nowMs: LATER, market: view, settings: SETTINGS, jobs: [{ record: of, attempts: [down()] }] })[0];

  it('is started again, and that is said', () => {
    expect(fold(after('cheapest-now'))).toMatchObject({ phase: 'held', failures: 0 });
    expect(next(after('cheapest-now'))).toMatchObject({ do: 'launch', attempt: 2, reason: 'taken-down' });
  });

  it('goes on at once if its user had released it, whatever the hour; else it waits for its window as any job does', () => {
    expect(next(after('user-released'), cheapAtNight)).toMatchObject({ do: 'launch', attempt: 2, reason: 'user-released' });
    expect(next(after('cheapest-now'), cheapAtNight)).toMatchObject({ do: 'hold', why: 'window' });
  });
});
