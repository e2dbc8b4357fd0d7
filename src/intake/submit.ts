// Intake on one machine: the record `[submitted]` first, then its alarm; the id is printed once both are acknowledged. If the process
// dies between the two, the worker's sweep finds a record without an alarm and arms it.

import { randomInt } from 'node:crypto';
import { NerveError } from '../engine/errors.ts';
import type { JobId, JobSpec } from '../engine/job.ts';
import { quote, type Quote } from '../engine/quote.ts';
import type { EngineSettings, MarketView } from '../engine/snapshot.ts';
import type { Alarms, Clock, Records } from '../ports.ts';

const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

export const newJobId = (): JobId => `j-${Array.from({ length: 8 }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('')}`;

/** @throws NerveError `usage` naming what is known, when a zone or an instance type is not. */
export function checkPlaces(spec: Pick<JobSpec, 'zones' | 'instanceTypes'>, market: MarketView): void {
  const zones = unique(market.offerings.map((o) => o.zone));
  const types = unique(market.offerings.map((o) => o.instanceType));
  const strangeZone = spec.zones?.find((zone) => !zones.includes(zone));
  if (strangeZone !== undefined)
    throw new NerveError('usage', `There is no zone "${strangeZone}" in ${market.region}.`, { hint: `Zones: ${zones.join(', ')}.` });
  const strangeType = spec.instanceTypes.find((type) => !types.includes(type));
  if (strangeType !== undefined)
    throw new NerveError('usage', `The instance type "${strangeType}" is not offered in ${market.region}.`, { hint: `Types: ${types.join(', ')}.` });
  const offered = market.offerings.some((o) => (spec.zones?.includes(o.zone) ?? true) && spec.instanceTypes.includes(o.instanceType));
  if (!offered)
    throw new NerveError('usage', `None of ${spec.instanceTypes.join(', ')} is offered in ${spec.zones?.join(', ') ?? market.region}.`, {
      hint: 'Name more zones or other types.',
    });
}

const unique = (values: readonly string[]): readonly string[] => [...new Set(values)].sort();

export interface IntakePorts {
  readonly records: Records;
  readonly alarms: Alarms;
  readonly clock: Clock;
}

/**
 * Writes the record and arms the alarm.
 * @throws NerveError `refused` for a deadline that cannot be promised (the quote says by how much), `unreachable` when Redis is away; nothing is left behind then.
 */
export async function submitJob(
  { records, alarms, clock }: IntakePorts,
  spec: JobSpec,
  market: MarketView,
  settings: EngineSettings,
): Promise<Quote> {
  const offer = quote(spec, market, settings, clock.nowMs());
  if (!offer.feasible) return offer;
  const version = await records.append(spec.id, 0, [
    { type: 'submitted', atMs: clock.nowMs(), spec, latestStartMs: offer.latestStartMs, simulated: market.simulated },
  ]);
  if (version === 'conflict') throw new NerveError('conflict', `A job ${spec.id} exists already.`, { hint: 'Submit again.' });
  // The first look comes at once; the alarm after it is set by the worker, never later than the latest start.
  await alarms.arm(spec.id, clock.nowMs());
  return offer;
}
