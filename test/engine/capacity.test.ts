// Which capacity a pod of a cluster can have at all: what Nerve could not start again runs on demand, and what has no deadline waits for spot.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import type { JobSpec } from '../../src/engine/job.ts';
import { POD } from '../../src/engine/pod/names.ts';
import { specFromPod } from '../../src/engine/pod/spec.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import type { MarketView, ObservedAttempt } from '../../src/engine/snapshot.ts';
import { ended, HOUR, launched, market, MINUTE, noticed, NOW, offering, record, seen, SETTINGS, spec } from '../support/build.ts';
import { AT_MS, pod } from './pod/pods.ts';

const BOTH = market();
const NO_SPOT: MarketView = { ...market(), offerings: [offering('euw3-az1', 'on-demand', 1)] };

function decided(
  of: Partial<JobSpec>,
  events: readonly JobEvent[] = [],
  view: MarketView = BOTH,
  attempts: readonly ObservedAttempt[] = [],
  nowMs = NOW + HOUR,
) {
  const job = record(events, spec({ deadlineMs: NOW + 20 * HOUR, ...of }));
  return decide({ nowMs, market: view, settings: SETTINGS, jobs: [{ record: job, attempts }] });
}
const capacity = (decisions: ReturnType<typeof decided>): readonly string[] =>
  decisions.flatMap((each) => (each.do === 'launch' ? each.ranked.map(({ capacityType }) => capacityType) : [each.do]));
const interrupted = (attempt: number, minutes: number): JobEvent =>
  ({ ...ended(attempt, NOW + minutes * MINUTE), cause: 'interrupted', reason: 'interruption-notice' }) as JobEvent;

describe('a job whose evacuations are counted', () => {
  const once = [launched(1), interrupted(1, 2)];
  const twice = [...once, launched(2, 'euw3-az2', NOW + 3 * MINUTE), interrupted(2, 4)];

  it('runs on spot while the limit lasts, then on demand, long before its deadline', () => {
    expect(capacity(decided({ maxEvictions: 2 }, once))[0]).toBe('spot');
    expect(new Set(capacity(decided({ maxEvictions: 2 }, twice)))).toEqual(new Set(['on-demand']));
    expect(new Set(capacity(decided({ maxEvictions: 0 })))).toEqual(new Set(['on-demand']));
    expect(capacity(decided({}, twice))[0]).toBe('spot');
  });

  it('counts an attempt that is leaving as one that has ended', () => {
    const leaving = [launched(1), noticed(1, NOW + MINUTE)];
    const object = seen(1);
    expect(capacity(decided({ maxEvictions: 1 }, leaving, BOTH, [object], NOW + 2 * MINUTE))).toContain('on-demand');
  });

  it('is not made to leave any more: not for a pause, not because nothing has taken it yet', () => {
    const onDemand = [...once, { ...launched(2, 'euw3-az1', NOW + 3 * MINUTE), capacityType: 'on-demand' } as JobEvent];
    const pending = seen(2, { capacityType: 'on-demand', phase: 'pending', placedAtMs: null, node: null, nodeName: null, createdAtMs: NOW });
    const running = seen(2, { capacityType: 'on-demand' });
    const paused: JobEvent = { type: 'paused', atMs: NOW + 5 * MINUTE };
    expect(capacity(decided({ maxEvictions: 1 }, onDemand, BOTH, [pending], NOW + 10 * HOUR))).toEqual(['keep']);
    expect(capacity(decided({ maxEvictions: 1 }, [...onDemand, paused], BOTH, [running]))).toEqual(['keep']);
    expect(capacity(decided({}, onDemand, BOTH, [pending], NOW + 10 * HOUR))).toEqual(['remove']);
  });
});

describe('a job without a deadline', () => {
  it('starts on the cheapest spot, waits where there is none, and is never worth full price', () => {
    expect(capacity(decided({ spotOnly: true }))[0]).toBe('spot');
    expect(capacity(decided({ spotOnly: true }, [], NO_SPOT))).toEqual(['hold']);
    expect(capacity(decided({ spotOnly: true }, [], NO_SPOT, [], NOW + 100 * HOUR))).toEqual(['hold']);
    expect(capacity(decided({}, [], NO_SPOT, [], NOW + 100 * HOUR))).toEqual(['on-demand']);
  });

  it('starts on demand all the same when its user releases it', () => {
    expect(capacity(decided({ spotOnly: true }, [{ type: 'release-requested', atMs: NOW }], NO_SPOT))).toEqual(['on-demand']);
  });
});

describe('what a pod says of that', () => {
  const facts = {
    nowMs: AT_MS,
    knownTypes: ['g6.xlarge'],
    defaults: { optimize: 'cost', retries: 3 },
    carbonPriceUsdPerTonne: { cost: 0, balanced: 190, carbon: 100_000 },
    medianMs: null,
    jobNamespaces: ['team'],
  } as const;
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'nightly', uid: 'o1', controller: true };
  const of = (annotations: Record<string, string>, more: object = {}) => {
    const { onDemandOnly, maxEvictions, spotOnly } = specFromPod(pod({ metadata: { annotations, ...more } }), facts)?.spec ?? {};
    return { onDemandOnly, maxEvictions, spotOnly };
  };
  const dated = { [POD.deadline]: '2026-11-25T20:00:00Z' };
  const none = { onDemandOnly: undefined, maxEvictions: undefined, spotOnly: undefined };

  it.each<[string, ReturnType<typeof of>, Partial<ReturnType<typeof of>>]>([
    ['a bare pod in one of jobNamespaces', of(dated), {}],
    ['a bare pod elsewhere', of(dated, { namespace: 'other' }), { onDemandOnly: true }],
    [
      'a pod of a Job elsewhere, whose policy fits',
      of({ ...dated, [POD.ignoresDisruption]: 'true' }, { namespace: 'other', ownerReferences: [owner] }),
      {},
    ],
    [
      'a pod of a Job with a limit of 4',
      of({ ...dated, [POD.backoffLimit]: '4', [POD.ignoresDisruption]: 'false' }, { ownerReferences: [owner] }),
      { maxEvictions: 3 },
    ],
    ['a pod of a Job that is older than the webhook', of(dated, { ownerReferences: [owner] }), { maxEvictions: 0 }],
    ['a pod of a Job with nonsense for a limit', of({ ...dated, [POD.backoffLimit]: 'many' }, { ownerReferences: [owner] }), { maxEvictions: 0 }],
    ['a pod without a deadline', of({ [POD.deadline]: '' }), { spotOnly: true }],
    ['a pod without a deadline that may fall back', of({ [POD.deadline]: '', [POD.capacityFallback]: 'on-demand' }), {}],
  ])('%s', (_, found, expected) => {
    expect(found).toEqual({ ...none, ...expected });
  });
});
