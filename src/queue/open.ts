// Opens everything that lives in Redis, over one connection (and a patient one for the processor).

import type { Clock, Leadership, Log } from '../ports.ts';
import { type BulkAlarms, createAlarms } from './alarms.ts';
import { checkRedis, connectRedis, type Patience, type RedisTarget } from './connection.ts';
import { createLeadership } from './leadership.ts';
import { createRecords, type RecordsWithHistory } from './records.ts';
import { type CountingVault, createVault } from './vault.ts';

export interface OpenQueue {
  readonly records: RecordsWithHistory;
  readonly alarms: BulkAlarms;
  readonly leadership: Leadership;
  /** Where admitted pods are kept, sealed with this secret. */
  vault(secret: Buffer): CountingVault;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly target: RedisTarget;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly log: Log;
}

/** @throws NerveError `unreachable` (fail-fast only) or `refused` (checkRedis). */
export async function openQueue({ target, patience, clock, log }: OpenOptions): Promise<OpenQueue> {
  const redis = connectRedis(target, patience);
  try {
    await checkRedis(redis);
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  const alarms = createAlarms({ redis, patient: () => connectRedis(target, 'wait'), clock, log });
  return {
    records: createRecords(redis),
    alarms,
    leadership: createLeadership(redis),
    vault: (secret) => createVault(redis, secret, log),
    close: async () => {
      await alarms.close().catch(() => undefined);
      redis.disconnect();
    },
  };
}
