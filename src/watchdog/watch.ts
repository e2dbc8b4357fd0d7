// `nerve watchdog`: one run of the CronJob. It looks at the worker's beat until that has moved (Nerve is alive) or has been quiet for 90 s
// (it is dead: every gate is opened). A cluster that does not answer says neither, and the next minute's run looks again.

import { latestStartMs } from '../engine/pod/asked.ts';
import { POD } from '../engine/pod/names.ts';
import { afterReading, NO_PULSE } from '../engine/pod/beat.ts';
import type { Clock, GatedPod, Gates, Log, WorkerBeats } from '../ports.ts';
import { type Opened, openGates } from './open-gates.ts';

const LOOK_EVERY_MS = 5000;
/** 90 s of looking, and a failed read or two. The CronJob's own limit is 240 s, and opening needs the rest. */
const LOOK_LIMIT_MS = 150_000;
const OPEN_LIMIT_MS = 70_000;
/** A pod that has just been created may not show all its marks to a list. */
const ORPHAN_AFTER_MS = 60_000;
/** A worker that is well has planned a pod within seconds, and written so on it; after a restart with thousands of them within minutes. */
const UNTAKEN_AFTER_MS = 600_000;

export interface WatchdogPorts {
  readonly beats: WorkerBeats;
  readonly gates: Gates;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Watched extends Opened {
  readonly found: 'alive' | 'dead' | 'no-answer';
}

export async function watch({ beats, gates, clock, log }: WatchdogPorts, signal: AbortSignal): Promise<Watched> {
  const untilRealMs = clock.realNowMs() + LOOK_LIMIT_MS;
  const opening = (): { gates: Gates; clock: Clock; log: Log; untilRealMs: number } => ({
    gates,
    clock,
    log,
    untilRealMs: clock.realNowMs() + OPEN_LIMIT_MS,
  });
  for (let pulse = NO_PULSE; !signal.aborted && clock.realNowMs() < untilRealMs; await clock.sleep(LOOK_EVERY_MS, signal)) {
    const pods = await beats.read().catch((error: unknown) => {
      log.warn({ err: error }, 'the worker pods cannot be listed');
      return null;
    });
    pulse = afterReading(pulse, { atMs: clock.realNowMs(), pods });
    if (pulse.dead) {
      log.warn({ quietMs: pulse.quietMs }, 'Nerve is dead or leaves: every gate is opened');
      return { found: 'dead', ...(await openGates(opening())) };
    }
    if (pulse.moved) return { found: 'alive', ...(await openGates({ ...opening(), only: (pod) => isOrphan(pod, clock.realNowMs()) })) };
  }
  return { found: 'no-answer', opened: 0, left: 0 };
}

/** Nobody would ever open it: the gate stood in the user's own template, labels were taken off or changed, or the worker cannot take it in. */
function isOrphan({ jobId, annotations, createdAtMs }: GatedPod, nowMs: number): boolean {
  const ageMs = nowMs - createdAtMs;
  if (jobId === null || annotations[POD.webhook] === undefined) return ageMs > ORPHAN_AFTER_MS;
  if (annotations[POD.state] !== undefined) return false;
  const latestMs = latestStartMs(annotations);
  return ageMs > UNTAKEN_AFTER_MS || (latestMs > 0 && latestMs < nowMs && ageMs > ORPHAN_AFTER_MS);
}
