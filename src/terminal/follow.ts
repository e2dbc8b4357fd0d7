// Output of a job's attempts, in order, as it grows.

import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { readJob } from '../intake/request.ts';
import type { Session } from '../wire.ts';

const POLL_MS = 250;
const CHUNK_BYTES = 65_536;

export interface FollowOptions {
  readonly follow: boolean;
  readonly attempt: number | null;
}

export async function followLogs(
  { queue, paths, clock }: Session,
  jobId: string,
  options: FollowOptions,
  print: (text: string) => void,
): Promise<void> {
  const read = new Map<number, number>();
  for (;;) {
    const { state } = await readJob(queue.records, jobId);
    for (const { attempt } of state.attempts) {
      if (options.attempt !== null && options.attempt !== attempt) continue;
      read.set(attempt, printFrom(join(paths.attemptDir(jobId, attempt), 'log'), read.get(attempt) ?? 0, print));
    }
    if (!options.follow || state.finished !== null) return;
    await clock.sleep(POLL_MS);
  }
}

/** Prints what is new; answers how far the file was read. */
function printFrom(path: string, offset: number, print: (text: string) => void): number {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return offset;
  }
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let at = offset;
    for (;;) {
      const size = readSync(file, buffer, 0, buffer.length, at);
      if (size === 0) return at;
      print(buffer.subarray(0, size).toString('utf8'));
      at += size;
    }
  } finally {
    closeSync(file);
  }
}
