// A zone's state in the table: up or down, each in a few phases of age. Fewer phases where there are more zones, since the
// joint state is their product; being down matters less than being up, and with neighbours to go to one phase is enough.

import { type HazardLaw, hazardAt, LOSS, RETURN } from './hazard.ts';

/** Hours at which one phase ends and the next begins. */
const BOUNDS_HOURS: Readonly<Record<number, readonly number[]>> = { 1: [], 2: [1], 3: [0.5, 3], 5: [0.25, 0.75, 2, 6] };
/** With one phase only, the hazard of being down is this, per hour, whatever the age. */
const AGELESS_RETURN_PER_HOUR = 0.45;

export interface Phases {
  readonly upCentres: readonly number[];
  readonly downCentres: readonly number[];
  /** Up phases come first, youngest first, then down phases. */
  readonly count: number;
}

export function phasesFor(pools: number): Phases {
  if (pools <= 1) return ONE_POOL;
  return pools <= 3 ? FEW_POOLS : MORE_POOLS;
}

function centres(phases: number): readonly number[] {
  const bounds = BOUNDS_HOURS[phases] ?? [];
  if (bounds.length === 0) return [1];
  return Array.from({ length: phases }, (_, i) => {
    const low = bounds[i - 1];
    const high = bounds[i];
    if (low === undefined) return (high ?? 1) / 2;
    return high === undefined ? low * 2.2 : Math.sqrt(low * high);
  });
}

const phasesOf = (up: number, down: number): Phases => ({ upCentres: centres(up), downCentres: centres(down), count: up + down });
const ONE_POOL = phasesOf(5, 5);
const FEW_POOLS = phasesOf(3, 1);
const MORE_POOLS = phasesOf(2, 1);

/** Of one step of `stepHours` in a phase: the chances to change over, to grow into the next phase, and to stay. */
export interface PhaseStep {
  readonly flip: number;
  readonly grow: number;
  readonly stay: number;
}

export function phaseStep(phases: Phases, state: number, factor: number, stepHours: number): PhaseStep {
  const up = state < phases.upCentres.length;
  const ages = up ? phases.upCentres : phases.downCentres;
  const phase = up ? state : state - phases.upCentres.length;
  const law: HazardLaw = up ? LOSS : RETURN;
  const age = ages[phase] ?? 1;
  const perHour = !up && ages.length === 1 ? AGELESS_RETURN_PER_HOUR : hazardAt(law, age);
  const flip = 1 - Math.exp(-factor * perHour * stepHours);
  const older = ages[phase + 1];
  const grow = older === undefined ? 0 : Math.min(1, stepHours / (older - age));
  return { flip, grow: (1 - flip) * grow, stay: (1 - flip) * (1 - grow) };
}

/** The phases that stand for an age, with weights: between two centres by the logarithm of age. */
export function phasesAt(phases: Phases, up: boolean, ageHours: number): readonly { readonly state: number; readonly weight: number }[] {
  const ages = up ? phases.upCentres : phases.downCentres;
  const first = up ? 0 : phases.upCentres.length;
  const above = ages.findIndex((centre) => ageHours < centre);
  if (above === 0 || ages.length === 1) return [{ state: first, weight: 1 }];
  if (above < 0) return [{ state: first + ages.length - 1, weight: 1 }];
  const low = ages[above - 1] ?? 1;
  const weight = Math.log(ageHours / low) / Math.log((ages[above] ?? 1) / low);
  return [
    { state: first + above - 1, weight: 1 - weight },
    { state: first + above, weight },
  ];
}
