// Reading the table at an instant and a slack between its cells, averaged over what every zone may be at the next look.

import type { LearnedPool } from './learn.ts';
import { crowdFactor, hazardUpTo, LOSS, RETURN } from './hazard.ts';
import { type Phases, phasesAt } from './phases.ts';
import type { Table } from './table.ts';

/** What all zones together may be at the next look. `changed` has bit z set where zone z has changed over. */
export interface Outcomes {
  readonly states: readonly number[];
  readonly chances: readonly number[];
  readonly changed: readonly number[];
}

const NEGLIGIBLE = 1e-6;

/** The next look is so near that the true age of each zone counts, and not its phase. */
export function outcomesOf(phases: Phases, pools: readonly LearnedPool[], lookHours: number): Outcomes {
  const up = pools.filter((p) => p.up).length;
  let states = [0];
  let chances = [1];
  let changed = [0];
  let weight = 1;
  pools.forEach((pool, z) => {
    const law = pool.up ? LOSS : RETURN;
    const others = crowdFactor(law, up - (pool.up ? 1 : 0), pools.length - 1);
    const stood = hazardUpTo(law, pool.ageHours + lookHours) - hazardUpTo(law, pool.ageHours);
    const flip = 1 - Math.exp(-(pool.up ? pool.lossFactor : pool.returnFactor) * others * stood);
    const nextStates: number[] = [];
    const nextChances: number[] = [];
    const nextChanged: number[] = [];
    const add = (state: number, chance: number, flag: number): void => {
      for (let i = 0; i < states.length; i++) {
        const both = (chances[i] ?? 0) * chance;
        if (both < NEGLIGIBLE) continue;
        nextStates.push((states[i] ?? 0) + state * weight);
        nextChances.push(both);
        nextChanged.push((changed[i] ?? 0) | flag);
      }
    };
    for (const { state, weight: share } of phasesAt(phases, pool.up, pool.ageHours + lookHours)) add(state, share * (1 - flip), 0);
    add(pool.up ? phases.upCentres.length : 0, flip, 1 << z);
    states = nextStates;
    chances = nextChances;
    changed = nextChanged;
    weight *= phases.count;
  });
  return { states, chances, changed };
}

export const NOTHING_RUNS = 0;
export const ON_DEMAND_RUNS = 1;
export const spotRuns = (pool: number): number => 2 + pool;

/** Expected cost to the end. `onlyWhere`: outcomes in which pool z has (or has not) changed over; the rest counts 0. */
export function expectedUsd(
  table: Table,
  outcomes: Outcomes,
  plane: number,
  hoursLeft: number,
  slackHours: number,
  onlyWhere: { readonly pool: number; readonly changed: boolean } | null = null,
): number {
  if (hoursLeft <= 1e-9 || hoursLeft - slackHours <= 1e-9) return 0;
  const { layers, firstLayer, stepHours, slackCells, states } = table;
  const position = hoursLeft / stepHours - firstLayer;
  const below = Math.max(0, Math.min(layers.length - 2, Math.floor(position)));
  const part = Math.max(0, Math.min(1, position - below));
  const low = layers[below];
  const high = layers[below + 1];
  if (low === undefined || high === undefined) return 0;
  const slack = Math.max(0, slackHours / stepHours);
  const cell = Math.min(slackCells - 2, Math.floor(slack));
  const rest = Math.min(1, slack - cell);
  const bit = onlyWhere === null ? 0 : 1 << onlyWhere.pool;
  const wanted = onlyWhere?.changed === true ? bit : 0;
  let total = 0;
  for (let i = 0; i < outcomes.states.length; i++) {
    if (((outcomes.changed[i] as number) & bit) !== wanted) continue;
    const at = (plane * states + (outcomes.states[i] as number)) * slackCells + cell;
    const a = low[at] as number;
    const b = high[at] as number;
    const lower = a + ((low[at + 1] as number) - a) * rest;
    const upper = b + ((high[at + 1] as number) - b) * rest;
    total += (outcomes.chances[i] as number) * (lower + (upper - lower) * part);
  }
  return total;
}
