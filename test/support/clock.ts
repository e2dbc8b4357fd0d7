// The wall clock as a Clock, and one that keeps quiet as a Log.

import { setTimeout as pause } from 'node:timers/promises';
import type { Clock, Log } from '../../src/ports.ts';

export const wallClock: Clock = {
  speed: 1,
  nowMs: () => Date.now(),
  realNowMs: () => Date.now(),
  sleep: (realMs, signal) => pause(realMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
};

export const quiet: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
