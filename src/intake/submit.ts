// Intake on one machine: the record `[submitted]` first, then its alarm; the id is printed once both are acknowledged. If the process
// dies between the two, the worker's sweep finds a record without an alarm and arms it.

import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { NerveError } from '../engine/errors.ts';
import type { JobId, JobSpec } from '../engine/job.ts';
import { quote, type Quote } from '../engine/quote.ts';
import type { JobEvent } from '../engine/record.ts';
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

/** In the fields of an error after which nobody knows whether the job was taken: its private files have to stay. */
export const UNKNOWN = 'unknown';

/**
 * Writes the record and arms the alarm.
 * @throws NerveError `refused` for a deadline that cannot be promised (the quote says by how much), `unreachable` when Redis is away: nothing is left behind then, unless its field `taken` is `unknown`.
 */
export async function submitJob(
  { records, alarms, clock }: IntakePorts,
  spec: JobSpec,
  market: MarketView,
  settings: EngineSettings,
): Promise<Quote> {
  const offer = quote(spec, market, settings, clock.nowMs());
  if (!offer.feasible) return offer;
  const submitted: JobEvent = { type: 'submitted', atMs: clock.nowMs(), spec, latestStartMs: offer.latestStartMs, simulated: market.simulated };
  if (!(await isTaken(records, spec, submitted))) throw new NerveError('conflict', `A job ${spec.id} exists already.`, { hint: 'Submit again.' });
  try {
    // The first look comes at once; the alarm after it is set by the worker, never later than the latest start.
    await alarms.arm(spec.id, clock.nowMs());
    return offer;
  } catch (error) {
    // The record is what counts: the worker's sweep finds it and sets the alarm.
    const why = error instanceof Error ? error.message : String(error);
    return { ...offer, warnings: [...offer.warnings, `${why} The job was taken all the same: the worker sets its alarm within 30 seconds.`] };
  }
}

/** Writes the record. A write whose answer was lost may have happened: what is there now tells. */
async function isTaken(records: Records, spec: JobSpec, submitted: JobEvent): Promise<boolean> {
  try {
    if ((await records.append(spec.id, 0, [submitted])) === 1) return true;
    // Somebody was first: perhaps this very write, sent again after its connection broke.
    return await isOurs(records, submitted, spec.id);
  } catch (error) {
    if (!(error instanceof NerveError) || error.kind !== 'unreachable') throw error;
    const found = await isOurs(records, submitted, spec.id).catch(() => UNKNOWN);
    if (found === true) return true;
    if (found === false) throw error;
    throw new NerveError('unreachable', `${error.message} Nobody knows now whether job ${spec.id} was taken.`, {
      cause: error,
      hint: `When Redis answers again, look with "nerve status ${spec.id}" before you submit again.`,
      fields: { jobId: spec.id, taken: UNKNOWN },
    });
  }
}

async function isOurs(records: Records, submitted: JobEvent, jobId: JobId): Promise<boolean> {
  const first = (await records.read(jobId))?.events[0];
  return first !== undefined && isDeepStrictEqual(first, asRecorded(submitted));
}

/** As it comes back from a record: without what JSON cannot say. */
const asRecorded = (event: JobEvent): unknown => JSON.parse(JSON.stringify(event));
