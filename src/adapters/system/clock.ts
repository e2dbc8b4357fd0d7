// The clock. In production it is the wall clock; the local cluster may run fast: virtual time is then anchored to the wall
// clock once, and every process that knows the anchors reads the same time.

import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../ports.ts';

export interface ClockAnchors {
  readonly realMs: number;
  readonly virtualMs: number;
  /** Virtual ms per real ms. */
  readonly speed: number;
}

export function clockFrom(anchors: ClockAnchors): Clock {
  const { realMs, virtualMs, speed } = anchors;
  return {
    speed,
    nowMs: () => Math.round(virtualMs + (Date.now() - realMs) * speed),
    realNowMs: () => Date.now(),
    sleep: (ms, signal) => pause(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
  };
}
