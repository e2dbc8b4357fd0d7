// The move limiter. A move is a start in another zone than the last start, whatever the cause; at most
// `maxMoves` in a rolling window. The fold keeps the list (state.moves), derived from `launched` events.

import type { JobState } from './state.ts';
import type { EngineSettings } from './snapshot.ts';

/** Moves of the rolling window that ends now. */
function recentMoves(state: Pick<JobState, 'moves'>, settings: EngineSettings, nowMs: number): number {
  return state.moves.filter((move) => move.atMs > nowMs - settings.moveWindowMs).length;
}

/** May the job start in `zone` now? Its last zone always; another one only within the limit. */
export function mayStartIn(zone: string, state: Pick<JobState, 'moves' | 'lastZone'>, settings: EngineSettings, nowMs: number): boolean {
  return state.lastZone === null || state.lastZone === zone || recentMoves(state, settings, nowMs) < settings.maxMoves;
}

/** When the next move becomes legal; `nowMs` if one is now. */
export function nextMoveAtMs(state: Pick<JobState, 'moves'>, settings: EngineSettings, nowMs: number): number {
  const recent = state.moves.filter((move) => move.atMs > nowMs - settings.moveWindowMs);
  const oldestBlocking = recent.at(-settings.maxMoves);
  return oldestBlocking === undefined ? nowMs : oldestBlocking.atMs + settings.moveWindowMs + 1;
}

/** What Nerve promises, whatever a configuration allows. */
export const PROMISED_LIMIT = { maxMoves: 2, moveWindowMs: 3_600_000 } as const;

/** Starts that broke the limit (only ever past the latest start).: the report names them. */
export function limitBreaks(moves: JobState['moves'], settings: Pick<EngineSettings, 'maxMoves' | 'moveWindowMs'>): number {
  return moves.filter((move, index) => {
    const window = moves.slice(0, index).filter((earlier) => earlier.atMs > move.atMs - settings.moveWindowMs);
    return window.length >= settings.maxMoves;
  }).length;
}
