// How spot comes and goes. Capacity that has been there for long is less likely to go in the next minute than capacity that
// has just come, and the same is true of its absence: the hazard falls with age as a power of it. When more of the other
// zones have spot, losing it here is a little less likely, and getting it back more likely.
//
// The four numbers of the two laws and the two weights were fitted on recorded traces of several regions (docs/decisions/
// 0007-placement-policy.md); what is learned per zone is only a factor on top (learn.ts).

export interface HazardLaw {
  readonly perHour: number;
  /** The hazard at age a (hours) is perHour * a^-decay; below 1, so that its integral from 0 is finite. */
  readonly decay: number;
  /** Weight of the other zones. */
  readonly crowd: number;
}

export const LOSS: HazardLaw = { perHour: 0.65, decay: 0.75, crowd: -0.5 };
export const RETURN: HazardLaw = { perHour: 0.55, decay: 0.7, crowd: 0.57 };

/** Integral of the hazard from age 0. */
export function hazardUpTo(law: HazardLaw, ageHours: number): number {
  return (law.perHour / (1 - law.decay)) * ageHours ** (1 - law.decay);
}

export function hazardAt(law: HazardLaw, ageHours: number): number {
  return law.perHour * ageHours ** -law.decay;
}

/** Factor for `othersUp` of `others` zones having spot. */
export function crowdFactor(law: HazardLaw, othersUp: number, others: number): number {
  return others === 0 ? 1 : Math.exp(law.crowd * (othersUp / others - 0.5));
}
