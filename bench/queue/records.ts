// Reads and writes all records as the worker would one, several hundred at a time.

import type { JobId } from '../../src/engine/job.ts';
import type { JobRecord } from '../../src/engine/record.ts';
import type { Server } from './server.ts';

const AT_ONCE = 500;

export async function readAll({ queue }: Server, ids: readonly JobId[]): Promise<readonly JobRecord[]> {
  const records: JobRecord[] = [];
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const read = await Promise.all(ids.slice(i, i + AT_ONCE).map((jobId) => queue.records.read(jobId)));
    for (const record of read) {
      if (record === null) throw new Error('A job that was accepted has no record.');
      records.push(record);
    }
  }
  const [live, armed] = [await queue.records.live(), await queue.alarms.armed()];
  if (live.length !== ids.length) throw new Error(`${live.length} jobs are live, not ${ids.length}.`);
  for (const jobId of ids) if (!armed.has(jobId)) throw new Error(`Job ${jobId} has no alarm.`);
  return records;
}

/** Appends what `after` has more than `before`. */
export async function writeAll({ queue }: Server, before: readonly JobRecord[], after: readonly JobRecord[]): Promise<void> {
  for (let i = 0; i < after.length; i += AT_ONCE) {
    const written = after.slice(i, i + AT_ONCE).map(({ jobId, events }, k) => {
      const { version, events: known } = before[i + k] as JobRecord;
      return queue.records.append(jobId, version, events.slice(known.length));
    });
    if ((await Promise.all(written)).includes('conflict')) throw new Error('Somebody else wrote a record.');
  }
}
