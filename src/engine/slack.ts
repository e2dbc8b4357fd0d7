// How much time a job has in hand. Everything about "never late" rests on the two instants below.
//
// Latest start: started on demand at this instant, the job still ends by its deadline, with one sweep, one notice and
// a margin in hand. On demand is not taken back, so nothing else has to fit.
//
// Spot is safe at an instant if losing it at the worst moment (placed late, lost at the end of its start-up, or later
// with everything since the last periodic checkpoint) still leaves the latest start ahead. While a job computes, time and
// remaining work shrink together, so a job that was safe when it started stays safe; pauses and restarts use slack up.

import type { JobState } from './state.ts';
import type { ProgressFact } from './record.ts';
import type { EngineSettings } from './snapshot.ts';

/** A speed is believed in full once it carried the job through this part of its work. */
const BELIEVED_FROM = 0.15;

/**
 * Work still to do, in ms of an undisturbed run. Never negative. The user's estimate, corrected by what the job reports: a
 * speed measured over the first few steps says little (caches are cold, the machine has just started), so it counts the
 * more, the further it has carried the job.
 */
export function remainingWorkMs(state: JobState, seen: ProgressFact | null = null): number {
  const progress = seen ?? state.lastProgress;
  if (progress === null) return state.spec.workMs;
  const { step, totalSteps, remainingMs } = progress;
  if (totalSteps === null || totalSteps <= 0) return Math.max(0, remainingMs ?? state.spec.workMs);
  const done = Math.min(1, Math.max(0, step / totalSteps));
  const estimateMs = state.spec.workMs * (1 - done);
  if (remainingMs === null) return estimateMs;
  // There was no estimate to begin with: what it reports is all there is.
  if (state.spec.workSource === 'profile') return Math.max(0, remainingMs);
  const weight = Math.min(1, done / BELIEVED_FROM);
  return Math.max(0, weight * remainingMs + (1 - weight) * estimateMs);
}

/** Launch to past the resume point: measured for this job, but never believed to be quicker than half of what is configured. */
export function startOverheadMs(state: JobState, settings: EngineSettings): number {
  const measured = state.measuredStartOverheadMs;
  return measured === null ? settings.startOverheadMs : Math.max(measured, settings.startOverheadMs / 2);
}

/** What must fit between an on-demand start and the deadline. */
export function onDemandNeedMs(state: JobState, settings: EngineSettings, seen: ProgressFact | null = null): number {
  return freshNeedMs(remainingWorkMs(state, seen), settings, startOverheadMs(state, settings));
}

/** The same for work that has no record yet. */
export function freshNeedMs(workMs: number, settings: EngineSettings, overheadMs = settings.startOverheadMs): number {
  return workMs + overheadMs + settings.onDemandLeadMs + settings.sweepMs + settings.noticeMs + settings.marginMs;
}

/** The instant at which the job runs on demand, whatever it costs. */
export function latestStartMs(state: JobState, settings: EngineSettings, seen: ProgressFact | null = null): number {
  return state.deadlineMs - onDemandNeedMs(state, settings, seen);
}

/** Time in hand before the latest start; negative when it has passed. */
function slackMs(state: JobState, settings: EngineSettings, nowMs: number, seen: ProgressFact | null = null): number {
  return latestStartMs(state, settings, seen) - nowMs;
}

/** The last instant at which a spot start is safe (see top). */
export function spotSafeUntilMs(state: JobState, settings: EngineSettings, seen: ProgressFact | null = null): number {
  const worst = settings.placementTimeoutMs + startOverheadMs(state, settings) + settings.maxUnsavedMs;
  return latestStartMs(state, settings, seen) - worst;
}

/**
 * Must an attempt that runs on spot switch to on demand now? Only while the switch itself still meets the deadline; the
 * margin (not the sweep, not the notice) is left out, so that a jittery progress report does not cost full price.
 */
export function mustLeaveSpot(state: JobState, settings: EngineSettings, nowMs: number, seen: ProgressFact | null): boolean {
  const slack = slackMs(state, settings, nowMs, seen);
  const stayingIsOnTime = nowMs + remainingWorkMs(state, seen) <= state.deadlineMs;
  const switchingIsOnTime = slack + settings.marginMs + settings.noticeMs + settings.sweepMs >= 0;
  return slack < -settings.marginMs && (switchingIsOnTime || !stayingIsOnTime) && remainingWorkMs(state, seen) > startOverheadMs(state, settings);
}
