// Leadership: a Redis lock with an epoch. It only saves work (one market tick and one sweep instead of two); a paused leader
// that wakes up late does no harm, because records, names and seals decide.

import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Leadership } from '../ports.ts';
import { asNerveError } from './connection.ts';

const LEADER = 'nerve:leader';
const EPOCH = 'nerve:epoch';
const LOCK_MS = 15_000;

// KEYS: lock, epoch. ARGV: me, ttl. The epoch when I lead, else -1.
const LEAD = `
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(redis.call('GET', KEYS[2]) or '0')
end
if holder then return -1 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('INCR', KEYS[2])`;

const RESIGN = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

export function createLeadership(redis: Redis): Leadership {
  const me = randomUUID();
  return {
    lead: async () => {
      const epoch = Number(await redis.eval(LEAD, 2, LEADER, EPOCH, me, LOCK_MS).catch(failed('Cannot lead')));
      return epoch < 0 ? null : epoch;
    },
    resign: async () => {
      await redis.eval(RESIGN, 1, LEADER, me).catch(failed('Cannot resign'));
    },
  };
}

const failed =
  (what: string) =>
  (cause: unknown): never => {
    throw asNerveError(cause, what);
  };
