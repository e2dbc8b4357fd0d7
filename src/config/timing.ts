// Periods and rules that follow from the speed of the clock. Real periods stay real (a process does not compute faster because
// the clock does); rules on the record's clock contain them as virtual time.

import type { EngineSettings } from '../engine/snapshot.ts';
import type { Config } from './schema.ts';

export interface Timing {
  readonly sweepRealMs: number;
  readonly marketTickRealMs: number;
  readonly agentPollRealMs: number;
  readonly progressRealMs: number;
  /** How long the local cloud's interruption notice lasts. */
  readonly noticeRealMs: number;
  /** SIGTERM to SIGKILL. */
  readonly graceRealMs: number;
  /** NERVE_CHECKPOINT_EVERY for a local job; null = the SDK's own rule. */
  readonly checkpointEveryRealMs: number | null;
}

const NOTICE_MS = 120_000;

export function timingFor(speed: number): Timing {
  const fast = speed > 1;
  return {
    sweepRealMs: fast ? clamp(30_000 / speed, 1000, 30_000) : 30_000,
    marketTickRealMs: clamp(60_000 / speed, 500, 60_000),
    agentPollRealMs: clamp(5000 / speed, 200, 5000),
    progressRealMs: clamp(30_000 / speed, 400, 30_000),
    noticeRealMs: Math.max(NOTICE_MS / speed, 8000),
    graceRealMs: 10_000,
    checkpointEveryRealMs: fast ? clamp(600_000 / speed, 2000, 60_000) : null,
  };
}

export function engineSettings(config: Config, speed: number): EngineSettings {
  const { policy } = config;
  const timing = timingFor(speed);
  // Where the clock is fast, what a machine needs in real seconds is many virtual ones.
  const atLeastReal = (seconds: number, realMs: number): number => Math.max(seconds * 1000, realMs * speed);
  return {
    sweepMs: timing.sweepRealMs * speed,
    noticeMs: timing.noticeRealMs * speed,
    onDemandLeadMs: atLeastReal(policy.onDemandLeadSeconds, 1000),
    startOverheadMs: atLeastReal(policy.startOverheadSeconds, 1500),
    maxUnsavedMs: atLeastReal(policy.maxUnsavedSeconds, timing.checkpointEveryRealMs ?? 0),
    marginMs: atLeastReal(policy.marginSeconds, 1000),
    placementTimeoutMs: atLeastReal(policy.placementTimeoutSeconds, 1500),
    startTimeoutMs: atLeastReal(policy.startTimeoutSeconds, 60_000),
    maxMoves: policy.maxMovesPerHour,
    moveWindowMs: 3_600_000,
    minHoldSaving: policy.minHoldSaving,
    minMoveSaving: policy.minMoveSaving,
  };
}

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);
