// Ports that fail by a seeded plan: slow, refusing, hanging until the adapter's time-out, taking effect without answering, or
// with the process killed before or after the effect. A request that was sent takes effect even when its sender is dead.

import { NerveError } from '../../../src/engine/errors.ts';
import type { SimProcess } from './process.ts';
import type { Random } from './random.ts';
import type { SimTime } from './time.ts';

export interface FaultRates {
  /** Per call. */
  readonly fail: number;
  readonly crash: number;
  /** Share of calls that take a while at all. */
  readonly slow: number;
}

export const NO_FAULTS: FaultRates = { fail: 0, crash: 0, slow: 0 };

export interface FaultContext {
  readonly time: SimTime;
  readonly random: Random;
  rates(call: string): FaultRates;
  /** Whole services that are away now, by the name before the dot. */
  away(service: string): boolean;
  /** What this fault may have cost a job, at most. */
  excuse(ms: number): void;
}

const TIMEOUT_MS = 5000;
/** The alarms come back with back-off after a handler threw. */
const BACKOFF_MS = 30_000;
type Kind = 'none' | 'refused' | 'hang' | 'unanswered' | 'late' | 'crash-before' | 'crash-after';

/** `port` with every method named in `methods` put through faults of `process`. */
export function faulty<T extends object>(port: T, service: string, process: SimProcess, context: FaultContext): T {
  const wrapped = Object.entries(port).map(([method, call]: [string, unknown]) => [
    method,
    typeof call === 'function'
      ? (...args: unknown[]) => through(`${service}.${method}`, service, process, context, () => call(...args) as Promise<unknown>)
      : call,
  ]);
  return Object.fromEntries(wrapped) as T;
}

async function through<T>(name: string, service: string, process: SimProcess, context: FaultContext, effect: () => Promise<T>): Promise<T> {
  const { time, random } = context;
  await process.awake();
  const rates = context.rates(name);
  const kind = context.away(service) ? random.pick(['refused', 'hang'] as const) : draw(rates, random);
  const latencyMs = random.chance(rates.slow) ? random.between(1, 400) : 0;
  if (latencyMs > 0) await time.sleep(latencyMs);
  if (kind === 'none') return process.gated(effect());
  context.excuse(TIMEOUT_MS + BACKOFF_MS);
  switch (kind) {
    case 'refused':
      return process.gated(Promise.reject(lost(name, 'was refused')));
    case 'hang':
      await time.sleep(TIMEOUT_MS);
      return process.gated(Promise.reject(lost(name, 'did not answer')));
    case 'unanswered':
      await effect().catch(() => undefined);
      await time.sleep(TIMEOUT_MS);
      return process.gated(Promise.reject(lost(name, 'did not answer')));
    case 'late':
      time.at(time.nowMs() + random.between(100, 4 * TIMEOUT_MS), () => void effect().catch(() => undefined));
      await time.sleep(TIMEOUT_MS);
      return process.gated(Promise.reject(lost(name, 'did not answer')));
    case 'crash-before':
      process.kill();
      return process.gated(Promise.reject(lost(name, 'was never made')));
    case 'crash-after':
      await effect().catch(() => undefined);
      process.kill();
      return process.gated(Promise.reject(lost(name, 'was never heard')));
  }
}

function draw({ fail, crash }: FaultRates, random: Random): Kind {
  const value = random.next();
  if (value < fail) return random.pick(['refused', 'hang', 'unanswered', 'late'] as const);
  if (value < fail + crash) return random.pick(['crash-before', 'crash-after'] as const);
  return 'none';
}

const lost = (name: string, what: string): NerveError => new NerveError('retryable', `${name} ${what}`);
