// The webhook's reader of the beat: lists the worker pods every few seconds and keeps what the one rule makes of it.

import { afterReading, NO_PULSE, type Pulse } from '../engine/pod/beat.ts';
import type { Clock, Log, WorkerBeats } from '../ports.ts';

export interface PulseReader {
  away(): boolean;
  /** Looks until aborted. */
  run(everyRealMs: number, signal: AbortSignal): Promise<void>;
}

export function pulseReader(beats: WorkerBeats, clock: Clock, log: Log): PulseReader {
  let pulse: Pulse = NO_PULSE;
  return {
    away: () => pulse.away,
    run: async (everyRealMs, signal) => {
      while (!signal.aborted) {
        const before = pulse;
        const pods = await beats.read().catch((error: unknown) => {
          log.warn({ err: error }, 'the worker pods cannot be listed');
          return null;
        });
        pulse = afterReading(before, { atMs: clock.realNowMs(), pods });
        if (pulse.away !== before.away)
          log.warn({ away: pulse.away, quietMs: pulse.quietMs }, pulse.away ? 'Nerve is away: nothing new is held' : 'Nerve is there');
        await clock.sleep(everyRealMs, signal);
      }
    },
  };
}
