// From real time (hooks, metadata) to the record's clock. The only place where the agent does so.

import type { NodeNotice } from '../engine/snapshot.ts';
import type { AttemptAnnotations, Clock, HookProgress } from '../ports.ts';

/** The record's instant of a real one. */
function fromReal(realMs: number, clock: Clock): number {
  return clock.nowMs() + (realMs - clock.realNowMs()) * clock.speed;
}

export function noticeFrom(notice: { readonly action: NodeNotice['action']; readonly endsAtRealMs: number }, clock: Clock): NodeNotice {
  return { action: notice.action, noticedAtMs: clock.nowMs(), endsAtMs: fromReal(notice.endsAtRealMs, clock) };
}

export function annotationsFrom(seen: HookProgress, clock: Clock): AttemptAnnotations {
  const { step, totalSteps, stepsPerSecond, resumed, lastCheckpoint } = seen;
  const ago = (ageSeconds: number): number => clock.nowMs() - ageSeconds * 1000 * clock.speed;
  const known = totalSteps !== null && stepsPerSecond !== null && stepsPerSecond > 0;
  return {
    ...(resumed === null
      ? {}
      : {
          progress: {
            step,
            totalSteps,
            remainingMs: known ? (Math.max(0, totalSteps - step) / stepsPerSecond) * 1000 * clock.speed : null,
            atMs: clock.nowMs(),
          },
        }),
    ...(resumed === null
      ? {}
      : { resumed: { step: resumed.step, epoch: resumed.epoch, checkpointId: resumed.checkpointId, atMs: ago(resumed.ageSeconds) } }),
    ...(lastCheckpoint === null
      ? {}
      : {
          lastCheckpoint: {
            id: lastCheckpoint.id,
            step: lastCheckpoint.step,
            bytes: lastCheckpoint.bytes,
            durationMs: lastCheckpoint.durationMs,
            final: lastCheckpoint.final,
            sealedAtMs: ago(lastCheckpoint.ageSeconds),
          },
        }),
  };
}
