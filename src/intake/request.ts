// What a user asks of a job that exists: one event, appended to what is there now, then a wake.

import { NerveError } from '../engine/errors.ts';
import { fold } from '../engine/fold.ts';
import type { JobId } from '../engine/job.ts';
import type { JobEvent, JobRecord } from '../engine/record.ts';
import type { JobState } from '../engine/state.ts';
import type { Alarms, Records } from '../ports.ts';

const MAX_CONFLICTS = 20;

/** @throws NerveError `not-found` (exit 102) for an unknown job. */
export async function readJob(records: Records, jobId: JobId): Promise<{ readonly record: JobRecord; readonly state: JobState }> {
  const record = await records.read(jobId);
  if (record === null)
    throw new NerveError('not-found', `There is no job ${jobId}.`, { hint: '"nerve list" shows those there are.', fields: { jobId } });
  return { record, state: fold(record) };
}

/**
 * Appends the event that `make` answers for the state as it is; `null` = nothing to do. Answers the state before.
 * @throws NerveError `not-found`, or `refused` when the job has finished.
 */
export async function request(records: Records, alarms: Alarms, jobId: JobId, make: (state: JobState) => JobEvent | null): Promise<JobState> {
  for (let round = 0; round < MAX_CONFLICTS; round++) {
    const { record, state } = await readJob(records, jobId);
    if (state.finished !== null) {
      throw new NerveError('refused', `Job ${jobId} has ${state.finished.result} already.`, {
        hint: '"nerve report" shows how it went.',
        fields: { jobId },
      });
    }
    const event = make(state);
    if (event !== null && (await records.append(jobId, record.version, [event])) === 'conflict') continue;
    await alarms.wake(jobId);
    return state;
  }
  throw new NerveError('retryable', `The record of job ${jobId} changes all the time.`, { hint: 'Try again.' });
}
