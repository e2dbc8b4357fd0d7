// A drill: one attempt is asked for a checkpoint as if the cloud had given its notice, and the time is taken. Training goes on, nothing is
// cordoned, and no total counts it. Whoever asked reads the result from the attempt's annotations.

import type { Clock, DrillResult, Hooks, HookTarget } from '../ports.ts';

/** A slow save is measured beyond the notice, so that the report can say by how much it is too slow. */
const LIMIT_REAL_MS = 600_000;

/** `nonce`: of the ask, so that an answer is never taken for another's. */
export async function drill(hooks: Hooks, target: HookTarget | null, nonce: string, clock: Clock): Promise<DrillResult> {
  if (target === null) return { nonce, sealed: null, error: 'it serves no checkpoint hook' };
  const startedRealMs = clock.realNowMs();
  try {
    const seal = await hooks.checkpoint(target, { reason: 'drill', deadlineRealMs: startedRealMs + LIMIT_REAL_MS });
    // A save of the last 30 s is answered at once: what counts is how long that one took.
    const tookMs = Math.max(clock.realNowMs() - startedRealMs, seal.durationMs);
    return { nonce, sealed: { id: seal.id, step: seal.step, bytes: seal.bytes, tookMs }, error: null };
  } catch (error) {
    return { nonce, sealed: null, error: error instanceof Error ? error.message : String(error) };
  }
}

/** The nonce of a drill that nobody has answered; null: there is none. */
export function unanswered(asked: string | null, answered: string | null): string | null {
  const nonce = asked ?? '';
  return nonce === '' || nonce === answered ? null : nonce;
}
