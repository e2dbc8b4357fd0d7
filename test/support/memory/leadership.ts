// Leadership in memory: one `memoryLock` stands for the key in Redis, one `memoryLeadership` for a process.

import type { Clock, Leadership } from '../../../src/ports.ts';

export interface MemoryLock {
  holder: object | null;
  expiresAtMs: number;
  epoch: number;
}

export function memoryLock(): MemoryLock {
  return { holder: null, expiresAtMs: 0, epoch: 0 };
}

export function memoryLeadership(lock: MemoryLock, clock: Clock, ttlRealMs = 15_000): Leadership {
  const me = {};
  return {
    async lead() {
      const nowMs = clock.nowMs();
      const free = lock.holder === null || lock.expiresAtMs <= nowMs;
      if (!free && lock.holder !== me) return null;
      // A new epoch for whoever takes it, also for a process that comes back after its own lock expired.
      if (free) lock.epoch += 1;
      lock.holder = me;
      lock.expiresAtMs = nowMs + ttlRealMs * clock.speed;
      return lock.epoch;
    },
    async resign() {
      if (lock.holder === me) lock.holder = null;
    },
  };
}
