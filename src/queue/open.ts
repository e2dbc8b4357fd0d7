// Opens everything that lives in Redis, over one connection (and a patient one for the processor).

import type { Redis } from 'ioredis';
import { NerveError } from '../engine/errors.ts';
import type { Clock, Leadership, Log, Metrics, SpecVault } from '../ports.ts';
import { type BulkAlarms, createAlarms } from './alarms.ts';
import { type NewJob, submitMany, type Submitted } from './bulk.ts';
import { checkRedis, connectRedis, partWhenStopped, type RedisTarget } from './connection.ts';
import { createLeadership } from './leadership.ts';
import { createRecords, type RecordsWithHistory } from './records.ts';
import { createVault } from './vault.ts';

export interface OpenQueue {
  readonly records: RecordsWithHistory;
  readonly alarms: BulkAlarms;
  readonly leadership: Leadership;
  /** Many new jobs, batch by batch: see bulk.ts. */
  submitMany(jobs: Iterable<NewJob>): AsyncGenerator<Submitted>;
  /** Where admitted pods are kept, sealed with this secret. */
  vault(secret: Buffer, metrics: Pick<Metrics, 'refused'>): SpecVault;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly target: RedisTarget;
  /** `fail-fast`: a command's. `wait`: a worker's, which waits for its Redis at the start and finds it again later. */
  readonly patience: 'fail-fast' | 'wait';
  readonly clock: Clock;
  readonly log: Log;
  /** A worker's: told to stop, it does not wait for a Redis that does not answer. */
  readonly signal?: AbortSignal;
}

/** @throws NerveError `unreachable` (fail-fast, or stopped while waiting) or `refused` (checkRedis). */
export async function openQueue({ target, patience, clock, log, signal }: OpenOptions): Promise<OpenQueue> {
  const redis = connectRedis(target, patience === 'wait' ? 'reconnect' : patience);
  if (signal !== undefined) partWhenStopped(redis, signal);
  try {
    await (patience === 'wait' ? checkPatiently(redis, clock, log, signal) : checkRedis(redis));
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  const alarms = createAlarms({ redis, patient: () => connectRedis(target, 'for-ever'), clock, log });
  const records = createRecords(redis);
  return {
    records,
    alarms,
    leadership: createLeadership(redis),
    submitMany: (jobs) => submitMany(records, alarms, jobs),
    vault: (secret, metrics) => createVault(redis, secret, metrics, log),
    close: async () => {
      await alarms.close().catch(() => undefined);
      redis.disconnect();
    },
  };
}

async function checkPatiently(redis: Redis, clock: Clock, log: Log, signal?: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await checkRedis(redis);
    } catch (error) {
      if (!(error instanceof NerveError) || error.kind !== 'unreachable' || signal?.aborted === true) throw error;
      log.warn({ error: error.message }, 'waiting for Redis');
      await clock.sleep(RETRY_REAL_MS, signal);
    }
  }
}

const RETRY_REAL_MS = 500;
