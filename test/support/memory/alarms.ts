// Alarms in memory, driven by the injected clock alone: no timer of its own, and the earliest alarm always comes first
// (ties by the order of arming), so that one seed gives one run. It keeps BullMQ's promises and its weaknesses:
//
// - A run whose signal is aborted with the reason KILLED stands for `kill -9`: what its handlers do afterwards changes nothing
//   here, and their jobs come back once the dead process's locks have expired.
// - `stall(jobId)` stands for a process that was paused too long: its lock is gone, the job is handed out again while
//   the first handler still runs, and the first handler's answer no longer counts.
// - Any other abort is a shutdown: `run` waits for the handlers it has started.

import type { JobId } from '../../../src/engine/job.ts';
import type { Alarms, Clock } from '../../../src/ports.ts';

export const KILLED = 'killed';

export interface MemoryAlarmOptions {
  /** How many handlers one `run` starts at once. */
  readonly concurrency?: number;
  /** How long a dead process's lock keeps its job from the others, real ms. */
  readonly lockRealMs?: number;
  /** First pause after a handler that threw, real ms; doubles up to 30 s. */
  readonly backoffRealMs?: number;
}

export interface MemoryAlarms extends Alarms {
  /** Takes the lock of a job that is being handled away from its handler. */
  stall(jobId: JobId): void;
}

interface Alarm {
  atMs: number;
  /** What `arm` or `wake` asked for while a handler ran. */
  askedMs: number | null;
  /** Identity of the run's handler that holds the job; null when nobody does. */
  holder: object | null;
  /** When the lock of a dead holder expires. */
  lockedUntilMs: number;
  failures: number;
}

const MAX_BACKOFF_REAL_MS = 30_000;

export function memoryAlarms(clock: Clock, options: MemoryAlarmOptions = {}): MemoryAlarms {
  const concurrency = options.concurrency ?? 1;
  const lockMs = (options.lockRealMs ?? 10_000) * clock.speed;
  const backoffMs = (options.backoffRealMs ?? 1000) * clock.speed;
  const alarms = new Map<JobId, Alarm>();
  const waiting = new Set<() => void>();

  function changed(): void {
    const all = [...waiting];
    waiting.clear();
    for (const wakeUp of all) wakeUp();
  }

  /** Earliest alarm that nobody holds: when it may be handed out, and which. */
  function next(): { jobId: JobId; alarm: Alarm; dueMs: number } | null {
    let best: { jobId: JobId; alarm: Alarm; dueMs: number } | null = null;
    for (const [jobId, alarm] of alarms) {
      const dueMs = alarm.holder === null ? alarm.atMs : alarm.lockedUntilMs;
      if (dueMs < (best?.dueMs ?? Number.POSITIVE_INFINITY)) best = { jobId, alarm, dueMs };
    }
    return best;
  }

  async function until(dueMs: number, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const wakeUp = (): void => stop.abort();
    waiting.add(wakeUp);
    signal.addEventListener('abort', wakeUp, { once: true });
    try {
      if (signal.aborted) return;
      if (dueMs < Number.POSITIVE_INFINITY) await clock.sleep(Math.max(0, dueMs - clock.nowMs()) / clock.speed, stop.signal);
      else await new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }));
    } finally {
      waiting.delete(wakeUp);
      signal.removeEventListener('abort', wakeUp);
    }
  }

  /** Ends one handling, unless the job was taken from `holder` meanwhile. `answerMs` null: finished. */
  function settle(jobId: JobId, alarm: Alarm, holder: object, answerMs: number | null): void {
    if (alarm.holder !== holder) return;
    if (answerMs === null) {
      alarms.delete(jobId);
    } else {
      // At least a real millisecond ahead: a handler that keeps answering "now" must not stop the clock.
      alarm.atMs = Math.max(clock.nowMs() + clock.speed, Math.min(answerMs, alarm.askedMs ?? answerMs));
      alarm.holder = null;
      alarm.askedMs = null;
    }
    changed();
  }

  async function handleOne(jobId: JobId, alarm: Alarm, handle: (jobId: JobId) => Promise<number | null>, signal: AbortSignal): Promise<void> {
    const holder = {};
    alarm.holder = holder;
    alarm.lockedUntilMs = Number.POSITIVE_INFINITY;
    alarm.askedMs = null;
    const killed = (): void => {
      if (signal.reason !== KILLED || alarm.holder !== holder) return;
      alarm.lockedUntilMs = clock.nowMs() + lockMs;
      changed();
    };
    signal.addEventListener('abort', killed, { once: true });
    let answerMs: number | null;
    try {
      answerMs = await handle(jobId);
      alarm.failures = 0;
    } catch {
      alarm.failures += 1;
      answerMs = clock.nowMs() + Math.min(MAX_BACKOFF_REAL_MS * clock.speed, backoffMs * 2 ** (alarm.failures - 1));
    } finally {
      signal.removeEventListener('abort', killed);
    }
    if (signal.reason !== KILLED) settle(jobId, alarm, holder, answerMs);
  }

  return {
    async arm(jobId, atMs) {
      const alarm = alarms.get(jobId);
      if (alarm === undefined) alarms.set(jobId, { atMs, askedMs: null, holder: null, lockedUntilMs: 0, failures: 0 });
      else if (alarm.holder === null) alarm.atMs = atMs;
      else alarm.askedMs = Math.min(atMs, alarm.askedMs ?? atMs);
      changed();
    },
    async wake(jobId) {
      const alarm = alarms.get(jobId);
      if (alarm === undefined) return false;
      if (alarm.holder === null) alarm.atMs = Math.min(alarm.atMs, clock.nowMs());
      else alarm.askedMs = Number.NEGATIVE_INFINITY;
      changed();
      return true;
    },
    async disarm(jobId) {
      alarms.delete(jobId);
      changed();
    },
    async armed() {
      return new Map([...alarms].map(([jobId, alarm]) => [jobId, alarm.atMs]));
    },
    async run(handle, signal) {
      const running = new Set<Promise<void>>();
      while (!signal.aborted) {
        const first = running.size < concurrency ? next() : null;
        if (first !== null && first.dueMs <= clock.nowMs()) {
          const one: Promise<void> = handleOne(first.jobId, first.alarm, handle, signal).finally(() => {
            running.delete(one);
            changed();
          });
          running.add(one);
        } else {
          await until(first?.dueMs ?? Number.POSITIVE_INFINITY, signal);
        }
      }
      if (signal.reason !== KILLED) await Promise.all(running);
    },
    stall(jobId) {
      const alarm = alarms.get(jobId);
      if (alarm === undefined || alarm.holder === null) return;
      alarm.lockedUntilMs = clock.nowMs();
      changed();
    },
  };
}
