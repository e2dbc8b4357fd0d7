// From decisions to the placement of one tick. In this world a stop is carried out at once (the work of the last tick is
// saved), so a job that is asked to leave is decided again, as its worker would after the final seal.

import { decideJob } from '../engine/decide.ts';
import type { Decision } from '../engine/decision.ts';
import { placementPolicy } from '../engine/policy.ts';
import type { Policy } from '../engine/policy/proposal.ts';
import type { Snapshot } from '../engine/snapshot.ts';
import type { Observation } from './protocol.ts';
import type { World } from './world.ts';

/** Decides on an observation that `world` has taken in. `policy`: another one than production's, for tests. */
export function act(world: World, obs: Observation, policy: Policy = placementPolicy): string {
  const rules: Omit<Snapshot, 'jobs'> = { nowMs: world.nowMs(obs), market: world.market(obs), settings: world.settingsNow() };
  const { state, attempts } = world.job(obs);
  const answer = placementOf(decideJob(state, { attempts }, rules, policy), obs.at);
  if (answer !== null) return answer;
  const stopped = world.job(obs, 'pause');
  return placementOf(decideJob(stopped.state, { attempts: stopped.attempts }, rules, policy), 'pause') ?? 'pause';
}

/** Null: it is to stop where it is. */
function placementOf(decisions: readonly Decision[], at: string): string | null {
  const [decision] = decisions;
  switch (decision?.do) {
    case 'launch': {
      const [choice] = decision.ranked;
      return choice?.capacityType === 'spot' ? `spot:${choice.zone}` : 'on-demand';
    }
    case 'hold':
      return 'pause';
    case 'keep':
      return at;
    case 'stop':
      return null;
    case 'remove':
    case undefined:
      throw new Error(`No placement follows from ${decision?.do ?? 'no decision'}.`);
  }
}
