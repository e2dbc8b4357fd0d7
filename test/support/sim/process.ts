// A process of the simulation: it can be killed between any two port calls (nothing it awaited ever answers) or paused (what
// it awaited answers when it goes on), and its clock may be wrong.

import type { Clock } from '../../../src/ports.ts';
import { KILLED } from '../memory/alarms.ts';
import type { SimTime } from './time.ts';

export interface SimProcess {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  alive(): boolean;
  /** `kill -9`. */
  kill(): void;
  pause(ms: number): void;
  /** Resolves when the process may go on; never, once it was killed. */
  awake(): Promise<void>;
  /** The same outcome, when the process may see it. */
  gated<T>(outcome: Promise<T>): Promise<T>;
}

/** A machine's wall clock: true time plus an error. */
export interface WallClock {
  errorMs: number;
}

const never = <T>(): Promise<T> => new Promise(() => undefined);

export function simProcess(time: SimTime, name: string, wall: WallClock): SimProcess {
  const abort = new AbortController();
  let pausedUntilMs = 0;
  const awake = async (): Promise<void> => {
    while (!abort.signal.aborted && time.nowMs() < pausedUntilMs) await time.sleep(pausedUntilMs - time.nowMs());
    if (abort.signal.aborted) await never();
  };
  const nowMs = (): number => Math.round(time.nowMs() + wall.errorMs);
  return {
    name,
    signal: abort.signal,
    clock: {
      speed: 1,
      nowMs,
      realNowMs: nowMs,
      sleep: async (realMs, signal) => {
        await time.sleep(realMs, signal);
        await awake();
      },
    },
    alive: () => !abort.signal.aborted,
    kill: () => abort.abort(KILLED),
    pause: (ms) => {
      pausedUntilMs = Math.max(pausedUntilMs, time.nowMs() + ms);
    },
    awake,
    gated: async (outcome) => {
      const [settled] = await Promise.allSettled([outcome]);
      await awake();
      if (settled.status === 'rejected') throw settled.reason;
      return settled.value;
    },
  };
}
