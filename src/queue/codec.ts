// How a batch of events is written in one stream entry, and how entries become a record again. Compact JSON: what JSON
// cannot say (NaN, undefined) is not legal in an event. Surprise: instants are made non-decreasing here, on the way
// out, so that every reader sees the same record whatever clock wrote it.

import { NerveError } from '../engine/errors.ts';
import type { JobId } from '../engine/job.ts';
import type { JobEvent, JobRecord } from '../engine/record.ts';

export function encodeEvents(events: readonly JobEvent[]): string {
  return JSON.stringify(events);
}

/** @throws NerveError `fatal` when an entry is not what `encodeEvents` wrote. */
export function decodeRecord(jobId: JobId, entries: readonly string[]): JobRecord {
  const events = entries.flatMap((entry, index) => decodeEvents(jobId, entry, index + 1));
  return { jobId, version: entries.length, events: neverBackwards(events) };
}

function decodeEvents(jobId: JobId, entry: string, version: number): readonly JobEvent[] {
  try {
    const events: unknown = JSON.parse(entry);
    if (Array.isArray(events)) return events as readonly JobEvent[];
  } catch {
    // Falls through to the one error below.
  }
  throw new NerveError('fatal', `Entry ${version} of the record of job ${jobId} is not readable.`, {
    hint: 'Something else wrote to this Redis database: give Nerve one of its own.',
    fields: { jobId, version },
  });
}

function neverBackwards(events: readonly JobEvent[]): readonly JobEvent[] {
  let latestMs = Number.NEGATIVE_INFINITY;
  return events.map((event) => {
    latestMs = Math.max(latestMs, event.atMs);
    return event.atMs === latestMs ? event : { ...event, atMs: latestMs };
  });
}
