// Many new jobs at once, with the promise of a single one: the record first, then its alarm, and an id is answered only when both are
// acknowledged. What a crash leaves in between is a record without an alarm, which the worker's sweep arms; nobody was told
// that id, so the whole list may be submitted again: what is there already stays as it is.
//
// A few batches are under way at once, so that Redis works while the next one is encoded. More would not be faster, and each
// would wait longer for its answer than a command's patience.

import type { JobId } from '../engine/job.ts';
import type { BulkAlarms } from './alarms.ts';
import type { NewRecord, RecordsWithHistory } from './records.ts';

const BATCH = 500;
const UNDER_WAY = 3;

export interface NewJob extends NewRecord {
  /** The record's clock; never later than the latest start. */
  readonly alarmAtMs: number;
}

export interface Submitted {
  /** Record and alarm are acknowledged. */
  readonly accepted: readonly JobId[];
  /** Another job has this id: nothing was written. */
  readonly taken: readonly JobId[];
}

/** Answers batch by batch, in order. @throws NerveError of the first batch that failed; of it and what follows nothing was answered. */
export async function* submitMany(
  records: Pick<RecordsWithHistory, 'createMany'>,
  alarms: Pick<BulkAlarms, 'armMany'>,
  jobs: Iterable<NewJob>,
): AsyncGenerator<Submitted> {
  const underWay: Promise<Submitted>[] = [];
  for (const batch of batches(jobs)) {
    const submitted = submitBatch(records, alarms, batch);
    // Its failure is thrown when its turn comes, not before.
    submitted.catch(() => undefined);
    underWay.push(submitted);
    const oldest = underWay.length < UNDER_WAY ? undefined : underWay.shift();
    if (oldest !== undefined) yield await oldest;
  }
  for (const submitted of underWay) yield await submitted;
}

async function submitBatch(
  records: Pick<RecordsWithHistory, 'createMany'>,
  alarms: Pick<BulkAlarms, 'armMany'>,
  batch: readonly NewJob[],
): Promise<Submitted> {
  const taken = await records.createMany(batch);
  const mine = taken.length === 0 ? batch : batch.filter(({ jobId }) => !taken.includes(jobId));
  await alarms.armMany(mine.map(({ jobId, alarmAtMs }) => ({ jobId, atMs: alarmAtMs })));
  return { accepted: mine.map(({ jobId }) => jobId), taken };
}

function* batches(jobs: Iterable<NewJob>): Generator<readonly NewJob[]> {
  let batch: NewJob[] = [];
  for (const job of jobs) {
    batch.push(job);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
