// The policy where the comings and goings of spot were watched, between real clocks: what it decides, and that jobs share tables.

import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import type { JobSpec } from '../../src/engine/job.ts';
import { learn } from '../../src/engine/policy/learn.ts';
import type { AvailabilityHistory, MarketView } from '../../src/engine/snapshot.ts';
import { HOUR, market, MINUTE, NOW, record, SETTINGS, spec } from '../support/build.ts';

const DAY = 24 * HOUR;

function watched(zone: string, availableAtFirst: boolean, changesMs: readonly number[]): AvailabilityHistory {
  return { zone, instanceType: 'g4dn.xlarge', observedFromMs: NOW - DAY, availableAtFirst, changesMs, observedEveryMs: 30_000 };
}

const steady = (zone: string): AvailabilityHistory => watched(zone, true, []);
/** There for ten minutes of every twenty, and there now. */
const flighty = (zone: string): AvailabilityHistory =>
  watched(
    zone,
    true,
    Array.from({ length: 144 }, (_, i) => NOW - DAY + (i + 0.5) * 10 * MINUTE),
  );
const gone = (zone: string, sinceMs: number): AvailabilityHistory => watched(zone, true, [sinceMs]);

function only(view: MarketView, job: JobSpec = spec(), nowMs = NOW) {
  return decide({ nowMs, market: view, settings: SETTINGS, jobs: [{ record: record([], job), attempts: [] }] })[0];
}

/** No price history: every hour is like this one. */
function at(spot: Readonly<Record<string, number | null>>, availability: readonly AvailabilityHistory[]): MarketView {
  return { ...market({ spot }), spotHistory: [], availability };
}

describe('where spot was watched', () => {
  it('prefers a zone that keeps its spot to one that is a little cheaper and loses it all the time', () => {
    const view = at({ 'euw3-az1': 0.2, 'euw3-az2': 0.19 }, [steady('euw3-az1'), flighty('euw3-az2')]);
    const decision = only(view, spec({ deadlineMs: NOW + 5 * HOUR }));
    expect(decision?.do === 'launch' && decision.ranked[0]).toMatchObject({ zone: 'euw3-az1', capacityType: 'spot' });
  });

  it('waits for spot while there is slack for it, and buys on demand early where slack is scarce', () => {
    const dry = at({ 'euw3-az1': null }, [gone('euw3-az1', NOW - 10 * MINUTE)]);
    expect(only(dry)).toMatchObject({ do: 'hold', reason: 'no-spot-capacity' });
    // Hours there, hours not, and gone for half an hour: with little slack, waiting would use up what makes spot possible later.
    const moody = at({ 'euw3-az1': null }, [
      watched(
        'euw3-az1',
        true,
        [18, 14, 10, 6, 0.5].map((h) => NOW - h * HOUR),
      ),
    ]);
    expect(only(moody, spec({ workMs: 20 * HOUR, deadlineMs: NOW + 20.75 * HOUR }))).toMatchObject({ do: 'launch', reason: 'on-demand-pays' });
    expect(only(moody, spec({ workMs: 2 * HOUR, deadlineMs: NOW + 21 * HOUR }))).toMatchObject({ do: 'hold' });
  });

  it('still holds for a window that the last seven days promise', () => {
    const cheapAtNight = (hour: number) => (hour >= 21 || hour < 5 ? 0.1 : 0.2);
    const view = market({ spot: { 'euw3-az1': 0.2, 'euw3-az2': 0.2 }, shape: cheapAtNight });
    const decision = only({ ...view, availability: [steady('euw3-az1'), steady('euw3-az2')] });
    expect(decision).toMatchObject({ do: 'hold', reason: 'cheaper-window-ahead' });
  });

  it('runs on demand at the latest start, whatever it expects', () => {
    const view = at({ 'euw3-az1': 0.2 }, [steady('euw3-az1')]);
    expect(only(view, spec({ deadlineMs: NOW + 3 * HOUR + 12 * MINUTE }))).toMatchObject({ do: 'launch', reason: 'latest-start-reached' });
  });

  it('decides for thousands of jobs of one market in seconds: they share their tables', () => {
    const view = at({ 'euw3-az1': null, 'euw3-az2': null }, [gone('euw3-az1', NOW - HOUR), gone('euw3-az2', NOW - 2 * HOUR)]);
    const jobs = Array.from({ length: 3000 }, (_, i) => ({
      record: record([], spec({ id: `j-${i}`, workMs: HOUR + i * 5_000, deadlineMs: NOW + 8 * HOUR + i * 20_000 })),
      attempts: [],
    }));
    const sinceMs = performance.now();
    expect(decide({ nowMs: NOW, market: view, settings: SETTINGS, jobs })).toHaveLength(3000);
    expect(performance.now() - sinceMs).toBeLessThan(5000);
  });
});

describe('what is learned', () => {
  it('is that a zone which flips often loses spot faster than usual, and a steady one more slowly', () => {
    const [calm, nervous] = learn([steady('a'), flighty('b')], NOW);
    expect(nervous?.lossFactor).toBeGreaterThan(1.1);
    expect(calm?.lossFactor).toBeLessThan(nervous?.lossFactor ?? 0);
    expect(calm).toMatchObject({ up: true });
    expect(calm?.ageHours).toBeCloseTo(25.5, 6);
  });

  it('knows nothing of what came after the instant that is asked about', () => {
    expect(learn([flighty('a')], NOW - 12 * HOUR)).toEqual(
      learn([{ ...flighty('a'), changesMs: flighty('a').changesMs.filter((ms) => ms <= NOW - 12 * HOUR) }], NOW - 12 * HOUR),
    );
  });
});
