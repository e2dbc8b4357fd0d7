// Redis connections, and the refusal of a Redis that would lose alarms. A command's connection fails fast, so that nobody stares at a
// shell that hangs. A worker's comes back by itself, but each call on it ends: the loops never race a timer. Only
// BullMQ's processor has one on which calls wait for ever, because it demands that.

import { Redis, type RedisOptions } from 'ioredis';
import { NerveError } from '../engine/errors.ts';

export interface RedisTarget {
  /** `redis://...`, or the path of a unix socket. */
  readonly url: string;
}

export type Patience = 'fail-fast' | 'reconnect' | 'for-ever';

const COMMAND_TIMEOUT_MS = 5000;
const FAIL_FAST = {
  maxRetriesPerRequest: 1,
  connectTimeout: 2000,
  commandTimeout: COMMAND_TIMEOUT_MS,
  retryStrategy: (times: number) => (times > 2 ? null : 100),
} satisfies RedisOptions;
const FOR_EVER = {
  maxRetriesPerRequest: null,
  connectTimeout: 2000,
  // A server that is gone without a word (a machine lost, a network cut): longer than BullMQ's longest blocking call.
  socketTimeout: 15_000,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 6), 2000),
} satisfies RedisOptions;
const OPTIONS = {
  'fail-fast': FAIL_FAST,
  reconnect: { ...FOR_EVER, commandTimeout: COMMAND_TIMEOUT_MS },
  'for-ever': FOR_EVER,
} satisfies Readonly<Record<Patience, RedisOptions>>;

export function connectRedis(target: RedisTarget, patience: Patience): Redis {
  const options = OPTIONS[patience];
  const redis = target.url.startsWith('/') ? new Redis({ path: target.url, ...options }) : new Redis(target.url, options);
  // Without a listener ioredis throws; every failure also reaches the caller through its command.
  redis.on('error', () => undefined);
  return redis;
}

const STOP_LOOK_REAL_MS = 250;
const STOP_LIMIT_REAL_MS = 5000;

/**
 * A process that was told to stop does not wait for a Redis that is lost, nor long for one that is slow: this connection is not made again, and
 * calls on it fail or run into their own limit. What was under way is found and finished by the next worker, as after a crash.
 */
export function partWhenStopped(redis: Redis, signal: AbortSignal): void {
  const part = (): void => {
    // Between two tries `disconnect` would only cancel the next one, and calls that wait for it would never end: that try is the last.
    redis.options.retryStrategy = () => null;
    let waitedMs = 0;
    const timer = setInterval(() => {
      waitedMs += STOP_LOOK_REAL_MS;
      if (redis.status === 'reconnecting' || (redis.status === 'ready' && waitedMs < STOP_LIMIT_REAL_MS)) return;
      clearInterval(timer);
      redis.disconnect();
    }, STOP_LOOK_REAL_MS);
    timer.unref();
    redis.once('end', () => clearInterval(timer));
  };
  if (signal.aborted) part();
  else signal.addEventListener('abort', part, { once: true });
}

/** Turns what ioredis throws into what a caller can act on. */
export function asNerveError(cause: unknown, what: string): NerveError {
  if (cause instanceof NerveError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  // A refused transaction names its reason beside, not in its message.
  const reasons = [text, ...((cause as { previousErrors?: readonly Error[] } | null)?.previousErrors ?? []).map((error) => error.message)];
  if (reasons.some((reason) => reason.startsWith('MISCONF '))) {
    return new NerveError('refused', `${what}: Redis cannot write its files (${text}).`, {
      cause,
      hint: 'Make room on its disk; nothing that was acknowledged is lost.',
    });
  }
  if (reasons.some((reason) => reason.startsWith('OOM '))) {
    return new NerveError('refused', `${what}: Redis is full.`, {
      cause,
      hint: 'Raise maxmemory or remove other data from this Redis; nothing that was acknowledged is lost.',
    });
  }
  return new NerveError('unreachable', `${what}: cannot reach Redis (${text}).`, {
    cause,
    hint: 'Start the local cluster with "nerve up", or check NERVE_REDIS_URL.',
  });
}

const MIN_VERSION = [6, 2] as const;

/** @throws NerveError `refused` when this Redis may evict an alarm, is too old, or is a cluster (a record and the live index change in one step). */
export async function checkRedis(redis: Redis): Promise<void> {
  const info = await redis.info().catch((cause: unknown) => Promise.reject(asNerveError(cause, 'Cannot check Redis')));
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const version = field('redis_version');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1])) {
    throw new NerveError('refused', `This Redis is version ${version}; Nerve needs ${MIN_VERSION.join('.')} or newer.`, {
      hint: 'Point NERVE_REDIS_URL at a newer Redis or Valkey.',
    });
  }
  const policy = field('maxmemory_policy');
  if (policy !== '' && policy !== 'noeviction') {
    throw new NerveError('refused', `This Redis evicts keys (maxmemory-policy ${policy}): an evicted alarm is a missed deadline.`, {
      hint: 'Run "redis-cli config set maxmemory-policy noeviction" on it.',
    });
  }
  if (field('cluster_enabled') === '1') {
    throw new NerveError('refused', 'This Redis runs in cluster mode: a record and its index could not change together.', {
      hint: 'Point NERVE_REDIS_URL at one server (a replica beside it is fine).',
    });
  }
}
