import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { countsOf, gaugesOf, METRICS, type Sample } from '../../src/engine/metrics.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import { ended, HOUR, launched, market, MINUTE, NOW, record, spec } from '../support/build.ts';

const resumed = (attempt: number, atMs: number): JobEvent => ({ type: 'resumed', atMs, attempt, step: 0, epoch: attempt, checkpointId: null });
const usage = [{ fromMs: NOW, toMs: NOW + HOUR, priceUsdPerHour: 0.4, facilityPowerKw: 0.1, carbonGramsPerKwh: 50 }];
const interrupted = (attempt: number, atMs: number, lostWorkMs: number): JobEvent =>
  ({ ...ended(attempt, atMs), cause: 'interrupted', lostWorkMs, usage }) as JobEvent;
const finished = (late: boolean): JobEvent => ({
  type: 'finished',
  atMs: NOW + 3 * HOUR,
  result: 'succeeded',
  reason: 'completed',
  late,
  usefulWorkMs: HOUR,
  counterfactual: null,
  finalCheckpoint: null,
});
const names = (samples: readonly Sample[]): Record<string, number> =>
  Object.fromEntries(samples.map(({ name, labels, value }) => [[name, ...Object.values(labels ?? {})].join(' '), value]));

describe('what events count', () => {
  it('counts an interruption by what it cost, and the money once', () => {
    const before = record([launched(1), resumed(1, NOW + MINUTE)]);
    expect(names(countsOf(before, [interrupted(1, NOW + HOUR, 30_000)]))).toEqual({
      'nerve_interruptions_total redone': 1,
      nerve_lost_work_seconds_total: 30,
      'nerve_cost_dollars_total spot': 0.4,
    });
    expect(names(countsOf(before, [interrupted(1, NOW + HOUR, 0)]))).toHaveProperty('nerve_interruptions_total saved', 1);
    expect(names(countsOf(record([launched(1)]), [interrupted(1, NOW + HOUR, 0)]))).toHaveProperty('nerve_interruptions_total unstarted', 1);
  });

  it('counts a start in another zone as a move, and one in the same zone as none', () => {
    const before = record([launched(1, 'euw3-az1'), interrupted(1, NOW + MINUTE, 0)]);
    expect(names(countsOf(before, [launched(2, 'euw3-az2', NOW + HOUR)]))).toEqual({ 'nerve_moves_total cheapest-now': 1 });
    expect(countsOf(before, [launched(2, 'euw3-az1', NOW + HOUR)])).toEqual([]);
  });

  it('counts starts on demand, checkpoints and ends', () => {
    const onDemand = { ...launched(1), capacityType: 'on-demand' } as JobEvent;
    expect(names(countsOf(record(), [onDemand]))).toEqual({ nerve_fallbacks_total: 1 });
    const checkpoint = { id: 'c', step: 5, bytes: 10, durationMs: 1500, sealedAtMs: NOW, final: false };
    const sealed: JobEvent = { type: 'checkpointed', atMs: NOW, attempt: 1, checkpoint, progress: null };
    expect(names(countsOf(record([launched(1)]), [sealed]))).toEqual({ nerve_checkpoint_duration_seconds: 1.5 });
    const before = record([launched(1), interrupted(1, NOW + MINUTE, 0)]);
    expect(names(countsOf(before, [finished(true)]))).toEqual({ 'nerve_jobs_finished_total succeeded': 1, nerve_deadline_missed_total: 1 });
    expect(names(countsOf(before, [finished(false)]))).toEqual({ 'nerve_jobs_finished_total succeeded': 1 });
  });

  it('takes a record that begins', () => {
    const { events } = record([], spec());
    expect(countsOf({ jobId: 'j', version: 0, events: [] }, events)).toEqual([]);
  });
});

describe('what one look shows', () => {
  it('shows each live state, also the empty ones, and leaves out what is not known', () => {
    const view = market();
    const seen = names(gaugesOf({ nowMs: NOW + MINUTE, phases: ['held', 'held', 'running', 'succeeded'], market: view, saved: null }));
    expect(seen).toMatchObject({ 'nerve_jobs held': 2, 'nerve_jobs running': 1, 'nerve_jobs starting': 0, 'nerve_jobs evacuating': 0 });
    expect(seen).not.toHaveProperty('nerve_savings_dollars');
    expect(seen).not.toHaveProperty('nerve_jobs succeeded');
    const nothing = gaugesOf({ nowMs: NOW, phases: [], market: { ...view, offerings: [] }, saved: { usd: -2, carbonGrams: 3 } });
    expect(names(nothing)).toMatchObject({ nerve_savings_dollars: -2, nerve_carbon_avoided_grams: 3 });
    expect(names(nothing)).not.toHaveProperty('nerve_data_age_seconds prices');
  });
});

describe('the table of metrics', () => {
  it('is the one of docs/operations.md, types and labels included', () => {
    const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const documented = [...text.matchAll(/^\| `(nerve_[a-z_]+)(?:\{([a-z_,]+)\})?` \| (\w+) \|/gm)].map(([, name, labels = '', type]) => [
      name,
      type,
      labels,
    ]);
    const made = Object.entries(METRICS).map(([name, kind]) => [name, kind.type, 'labels' in kind ? Object.keys(kind.labels).join(',') : '']);
    expect(documented).toEqual(made);
  });

  it('names counters, and only counters, with _total, and no job in a label', () => {
    for (const [name, kind] of Object.entries(METRICS)) {
      expect([name, name.endsWith('_total')]).toEqual([name, kind.type === 'counter']);
      expect('labels' in kind ? Object.keys(kind.labels) : []).not.toContain('job');
    }
  });
});
