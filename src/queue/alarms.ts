// The deadline queue: one delayed BullMQ job per live job, its id the job's id, its delay the time to the next look.
// BullMQ is the alarm clock and the lock on work, not the executor: a handler finishes in seconds.
//
// Traps this file is built around: `add` with an existing id is silently ignored, so an alarm is moved with changeDelay, and
// inside a handler re-armed with moveToDelayed + DelayedError; changeDelay and promote throw unless the job is still
// delayed (it fired: it is being handled). What is asked while the job is being handled is kept in `nerve:wakes`, and the
// handler's end looks there, so no wake is lost, whichever process it came from.

import { DelayedError, ErrorCode, Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { JobId } from '../engine/job.ts';
import type { Alarms, Clock, Log } from '../ports.ts';
import { armMany, DELAYED_SCORE_PER_MS } from './arm-many.ts';
import { asNerveError, partWhenStopped } from './connection.ts';

const QUEUE = 'nerve-alarms';
/** Job id -> the instant asked for while it was being handled; DISARMED: it shall have no alarm any more. */
const WAKES = 'nerve:wakes';
const DISARMED = 'inf';
// A handling begins: what was asked before is answered by it, but a job that was disarmed stays so. KEYS: wakes. ARGV: job id.
const BEGIN = `
local asked = redis.call('ZSCORE', KEYS[1], ARGV[1])
if asked and asked ~= '${DISARMED}' then redis.call('ZREM', KEYS[1], ARGV[1]) end
return asked`;
const RETRY_REAL_MS = [250, 500, 1000, 2000, 5000] as const;

export interface BulkAlarms extends Alarms {
  /** For jobs that have no alarm yet, at most 3,000 at once; one that is there already stays as it is. */
  armMany(alarms: readonly { readonly jobId: JobId; readonly atMs: number }[]): Promise<void>;
  close(): Promise<void>;
}

export interface AlarmOptions {
  readonly redis: Redis;
  /** A second, patient connection for the processor; only `run` needs it. */
  readonly patient: () => Redis;
  readonly clock: Clock;
  readonly log: Log;
  readonly concurrency?: number;
}

export function createAlarms({ redis, patient, clock, log, concurrency = 8 }: AlarmOptions): BulkAlarms {
  const queue = new Queue(QUEUE, { connection: redis });
  queue.on('error', (error) => log.debug({ error: error.message }, 'the alarm queue lost its connection'));
  const delayTo = (atMs: number): number => Math.max(0, Math.round((atMs - clock.nowMs()) / clock.speed));
  // Nothing but the delay: what else is said of a job is kept with each of 100,000, and the processor says it for all.
  const options = (atMs: number) => ({ delay: delayTo(atMs) });

  const move = async (jobId: JobId, atMs: number): Promise<'moved' | 'handled-now' | 'none'> => {
    // Named, not read: all that is asked of it is known by its id.
    const job = new Job(queue, 'wake', {}, {}, jobId);
    try {
      await job.changeDelay(delayTo(atMs));
      return 'moved';
    } catch (error) {
      const code = codeOf(error);
      if (code === ErrorCode.JobNotExist) return 'none';
      if (code !== ErrorCode.JobNotInState) throw error;
      // Not delayed any more: it is due or being handled. Its handler looks at `nerve:wakes` before and after it re-arms; and
      // if it re-armed between our two commands, the second try moves it.
      await redis.zadd(WAKES, 'LT', atMs, jobId);
      return job.changeDelay(delayTo(atMs)).then(
        () => 'moved' as const,
        (second: unknown) => (codeOf(second) === ErrorCode.JobNotExist ? ('none' as const) : ('handled-now' as const)),
      );
    }
  };

  return {
    arm: async (jobId, atMs) => {
      try {
        if ((await move(jobId, atMs)) === 'none') await queue.add('wake', {}, { jobId, ...options(atMs) });
      } catch (cause) {
        throw asNerveError(cause, `Cannot set the alarm of job ${jobId}`);
      }
    },
    armMany: async (alarms) => {
      try {
        await armMany(
          queue,
          redis,
          alarms.map(({ jobId, atMs }) => ({ jobId, delayMs: delayTo(atMs) })),
        );
      } catch (cause) {
        throw asNerveError(cause, 'Cannot set the alarms');
      }
    },
    wake: async (jobId) => {
      try {
        return (await move(jobId, clock.nowMs())) !== 'none';
      } catch (cause) {
        throw asNerveError(cause, `Cannot wake job ${jobId}`);
      }
    },
    disarm: async (jobId) => {
      try {
        await redis.zrem(WAKES, jobId);
        if ((await queue.remove(jobId)) === 1) return;
        // It is being handled: its handler's end looks for this mark. If it ended between our two commands, the second try removes it.
        await redis.zadd(WAKES, DISARMED, jobId);
        if ((await queue.remove(jobId)) === 1) await redis.zrem(WAKES, jobId);
      } catch (cause) {
        throw asNerveError(cause, `Cannot remove the alarm of job ${jobId}`);
      }
    },
    armed: async () => {
      try {
        return await readArmed(queue, redis, clock);
      } catch (cause) {
        throw asNerveError(cause, 'Cannot list the alarms');
      }
    },
    run: (handle, signal) =>
      runProcessor({ handle, signal, remove: (jobId) => queue.remove(jobId), connection: patient(), clock, log, concurrency, delayTo }),
    close: () => queue.close(),
  };
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : null);

/** All in one transaction, so that a job on its way from one list to the other is in one of them. No job is loaded for it. */
async function readArmed(queue: Queue, redis: Redis, clock: Clock): Promise<ReadonlyMap<JobId, number>> {
  const lists = ['wait', 'paused', 'active'];
  const transaction = redis.multi().zrange(queue.toKey('delayed'), 0, '-1', 'WITHSCORES');
  for (const list of lists) transaction.lrange(queue.toKey(list), 0, -1);
  const [delayed = [], ...due] = ((await transaction.exec()) ?? []).map(([error, value]) => {
    if (error !== null) throw error;
    return value as string[];
  });
  const armed = new Map<JobId, number>();
  for (const jobId of due.flat()) armed.set(jobId, clock.nowMs());
  for (let i = 0; i + 1 < delayed.length; i += 2) {
    const atRealMs = Math.floor(Number(delayed[i + 1]) / DELAYED_SCORE_PER_MS);
    armed.set(delayed[i] ?? '', clock.nowMs() + Math.max(0, atRealMs - clock.realNowMs()) * clock.speed);
  }
  return armed;
}

interface Processor {
  readonly handle: (jobId: JobId) => Promise<number | null>;
  readonly signal: AbortSignal;
  readonly remove: (jobId: JobId) => Promise<number>;
  readonly connection: Redis;
  readonly clock: Clock;
  readonly log: Log;
  readonly concurrency: number;
  readonly delayTo: (atMs: number) => number;
}

async function runProcessor(p: Processor): Promise<void> {
  const failures = new Map<JobId, number>();
  const worker = new Worker(
    QUEUE,
    async (job, token) => {
      const jobId = job.id ?? '';
      // The patient connection: a handling that cannot reach Redis waits; it must not end without its alarm.
      const wakes = p.connection;
      if (p.signal.aborted) {
        // Fetched while this process was told to stop: somebody else's.
        await job.moveToDelayed(Date.now(), token);
        throw new DelayedError();
      }
      const before = await wakes.eval(BEGIN, 1, WAKES, jobId);
      const next = before === DISARMED ? null : await nextWake(p, jobId, failures);
      if (next === null) return void (await wakes.zrem(WAKES, jobId));
      await job.moveToDelayed(Date.now() + Math.max(1, p.delayTo(next)), token);
      const asked = await wakes.zscore(WAKES, jobId);
      if (asked === DISARMED) {
        if ((await p.remove(jobId)) === 1) await wakes.zrem(WAKES, jobId);
      } else if (asked !== null) await job.changeDelay(Math.max(1, p.delayTo(Math.min(next, Number(asked))))).catch(() => undefined);
      throw new DelayedError();
    },
    {
      connection: p.connection,
      concurrency: p.concurrency,
      lockDuration: 5000,
      stalledInterval: 2500,
      maxStalledCount: 1_000_000,
      drainDelay: 1,
      // An alarm that has gone off is gone: one that is kept would make the next `add` of its job's id do nothing.
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
      // After a command that Redis refused (full, restarting): BullMQ would stand still for 15 s.
      runRetryDelay: 1000,
    },
  );
  worker.on('error', (error) => p.log.debug({ error: error.message }, 'the alarm processor lost its connection'));
  worker.on('failed', (job, error) => p.log.error({ jobId: job?.id, error: error.message }, 'an alarm failed; the sweep re-arms it'));
  await new Promise<void>((resolve) => {
    if (p.signal.aborted) resolve();
    else p.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  // Without Redis its own close would wait for one, and for handlers that wait for one.
  const lost = p.connection.status !== 'ready';
  const ended = new Promise<void>((resolve) => p.connection.once('end', () => resolve()));
  partWhenStopped(p.connection, p.signal);
  await Promise.race([worker.close(lost).catch(() => undefined), ended]);
  p.connection.disconnect();
}

/** A handler that throws is called again, ever more slowly; its alarm is never lost. */
async function nextWake(p: Processor, jobId: JobId, failures: Map<JobId, number>): Promise<number | null> {
  try {
    const next = await p.handle(jobId);
    failures.delete(jobId);
    return next;
  } catch (error) {
    const count = (failures.get(jobId) ?? 0) + 1;
    failures.set(jobId, count);
    const pauseRealMs = RETRY_REAL_MS[Math.min(count, RETRY_REAL_MS.length) - 1] ?? 5000;
    p.log.warn({ jobId, error: error instanceof Error ? error.message : String(error), count }, 'handling a job failed; trying again');
    return p.clock.nowMs() + pauseRealMs * p.clock.speed;
  }
}
