// What Nerve counts, by name: one table that the exposition, the documentation (docs/operations.md) and their test share. Counters are folded
// from the events of records and from nothing else; gauges are what one look shows.
//
// Surprise: counters are per process and begin at 0 when it starts, as Prometheus expects. What belongs to the whole installation (jobs, prices,
// savings) is shown by the leading worker alone, so that a sum over replicas is right.

import { costUsd } from './energy.ts';
import { fold } from './fold.ts';
import type { JobEvent, JobRecord } from './record.ts';
import type { MarketView } from './snapshot.ts';

export interface MetricKind {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Its label, with the values that are shown as 0 from the start where they are few. */
  readonly labels?: Readonly<Record<string, readonly string[]>>;
}

export const METRICS = {
  nerve_build_info: { type: 'gauge', help: 'Always 1; the version is in the label.', labels: { version: [] } },
  nerve_leader: { type: 'gauge', help: '1 on the worker that leads, 0 on the standby.' },
  nerve_jobs: { type: 'gauge', help: 'Jobs that have not ended, by state.', labels: { state: ['held', 'starting', 'running', 'evacuating'] } },
  nerve_jobs_finished_total: { type: 'counter', help: 'Jobs that ended, by result.', labels: { result: ['succeeded', 'failed', 'cancelled'] } },
  nerve_deadline_missed_total: { type: 'counter', help: 'Jobs that ended after their deadline.' },
  nerve_interruptions_total: {
    type: 'counter',
    help: 'Attempts that their node or an eviction ended: saved (nothing to do again), redone (some work), unstarted (had not begun).',
    labels: { outcome: ['saved', 'redone', 'unstarted'] },
  },
  nerve_checkpoint_duration_seconds: { type: 'histogram', help: 'Time of a checkpoint as the hook measured it, real seconds.' },
  nerve_lost_work_seconds_total: { type: 'counter', help: 'Work that was computed, not sealed, and is done again.' },
  nerve_moves_total: { type: 'counter', help: 'Starts in another zone than the start before, by why.', labels: { reason: [] } },
  nerve_fallbacks_total: { type: 'counter', help: 'Starts on demand.' },
  nerve_spot_price_dollars_per_hour: {
    type: 'gauge',
    help: 'Spot price as known now, of what is on offer.',
    labels: { zone: [], instance_type: [] },
  },
  nerve_carbon_intensity_grams_per_kwh: { type: 'gauge', help: 'Intensity of the grid as known now, CO2e.' },
  nerve_cost_dollars_total: {
    type: 'counter',
    help: 'What attempts that ended cost, redone work included.',
    labels: { capacity_type: ['spot', 'on-demand'] },
  },
  nerve_savings_dollars: { type: 'gauge', help: 'All finished jobs against their start at once, on demand, uninterrupted. Falls in a bad month.' },
  nerve_carbon_avoided_grams: { type: 'gauge', help: 'The same for CO2e, by average intensity: a footprint, no proof of avoidance.' },
  nerve_data_age_seconds: { type: 'gauge', help: 'Age of the newest figure of a source.', labels: { source: [] } },
  nerve_refusals_total: {
    type: 'counter',
    help: 'Times that something forged or foreign was refused and nothing was made of it (operations.md).',
    labels: { what: ['sealed-pod', 'foreign-pod', 'no-pod', 'foreign-request'] },
  },
} as const satisfies Readonly<Record<string, MetricKind>>;

/** `sealed-pod`: a kept pod that was not sealed with this key. `foreign-pod`: a record names another namespace or job than its kept pod. `no-pod`: no
 * admitted pod stands behind a record. `foreign-request`: an ask on a pod that bears the id of a job of another namespace. */
export type Refusal = (typeof METRICS)['nerve_refusals_total']['labels']['what'][number];

export type MetricName = keyof typeof METRICS;

export interface Sample {
  readonly name: MetricName;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What these events add to counters and histograms, appended after `before`. */
export function countsOf(before: JobRecord, events: readonly JobEvent[]): readonly Sample[] {
  const all = [...before.events, ...events];
  const counts = events.flatMap((event): Sample[] => {
    switch (event.type) {
      case 'launched':
        return event.capacityType === 'on-demand' ? [{ name: 'nerve_fallbacks_total', value: 1 }] : [];
      case 'checkpointed':
        return [{ name: 'nerve_checkpoint_duration_seconds', value: event.checkpoint.durationMs / 1000 }];
      case 'ended': {
        const launched = all.find((each) => each.type === 'launched' && each.attempt === event.attempt);
        const capacityType = launched?.type === 'launched' ? launched.capacityType : 'spot';
        const begun = all.some((each) => each.type === 'resumed' && each.attempt === event.attempt);
        const outcome = !begun ? 'unstarted' : event.lostWorkMs > 0 ? 'redone' : 'saved';
        return [
          ...(event.cause === 'interrupted' ? [{ name: 'nerve_interruptions_total' as const, labels: { outcome }, value: 1 }] : []),
          { name: 'nerve_lost_work_seconds_total', value: event.lostWorkMs / 1000 },
          { name: 'nerve_cost_dollars_total', labels: { capacity_type: capacityType }, value: costUsd(event.usage) },
        ];
      }
      case 'finished':
        return [
          { name: 'nerve_jobs_finished_total', labels: { result: event.result }, value: 1 },
          ...(event.late ? [{ name: 'nerve_deadline_missed_total' as const, value: 1 }] : []),
        ];
      default:
        return [];
    }
  });
  // Only a start is a move: most appends need no fold.
  const start = events.findLast((event) => event.type === 'launched');
  if (start === undefined) return counts;
  const movesBefore = before.events.length === 0 ? 0 : fold(before).moves.length;
  const moved = fold({ ...before, events: all }).moves.length - movesBefore;
  return moved > 0 ? [...counts, { name: 'nerve_moves_total', labels: { reason: start.reason }, value: moved }] : counts;
}

export interface Seen {
  readonly nowMs: number;
  /** Of each job that has a pod. */
  readonly phases: readonly string[];
  readonly market: MarketView;
  /** Null: not known now. */
  readonly saved: { readonly usd: number; readonly carbonGrams: number } | null;
}

/** Gauges of the whole installation. What is not known is not there: a 0 would be a lie. */
export function gaugesOf({ nowMs, phases, market, saved }: Seen): readonly Sample[] {
  const spot = market.offerings.filter(({ capacityType, available }) => capacityType === 'spot' && available);
  const age = (source: string, atMs: number): Sample[] =>
    Number.isFinite(atMs) ? [{ name: 'nerve_data_age_seconds', labels: { source }, value: Math.max(0, nowMs - atMs) / 1000 }] : [];
  return [
    ...METRICS.nerve_jobs.labels.state.map(
      (state): Sample => ({ name: 'nerve_jobs', labels: { state }, value: phases.filter((phase) => phase === state).length }),
    ),
    ...spot
      .filter(({ priceUsdPerHour }) => Number.isFinite(priceUsdPerHour))
      .map(
        ({ zone, instanceType, priceUsdPerHour }): Sample => ({
          name: 'nerve_spot_price_dollars_per_hour',
          labels: { zone, instance_type: instanceType },
          value: priceUsdPerHour,
        }),
      ),
    ...(Number.isFinite(market.carbon.gramsPerKwh)
      ? [{ name: 'nerve_carbon_intensity_grams_per_kwh' as const, value: market.carbon.gramsPerKwh }]
      : []),
    ...age('prices', Math.max(...market.offerings.map(({ pricedAtMs }) => pricedAtMs))),
    ...age('carbon', market.carbon.readAtMs),
    ...(saved === null ? [] : [{ name: 'nerve_savings_dollars' as const, value: saved.usd }]),
    ...(saved === null ? [] : [{ name: 'nerve_carbon_avoided_grams' as const, value: saved.carbonGrams }]),
  ];
}
