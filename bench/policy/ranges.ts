// The ranges a score must stay in (bench/ranges.json): [lowest, highest] for each figure that is named there.

import type { Score } from './score.ts';

type Range = readonly [number, number];
export interface Ranges {
  readonly policy: Readonly<Record<Score['kind'], Readonly<Record<string, Range>>>>;
}

export const rangesOf = (json: string): Ranges => JSON.parse(json) as Ranges;

/** Every figure that is out of its range, or that has a range and was not measured. */
export function outside(score: Score, { policy }: Ranges): readonly string[] {
  const sum = (of: (family: Score['families'][number]) => number): number => score.families.reduce((total, family) => total + of(family), 0);
  const figures: Record<string, number> = {
    headlinePct: score.headlinePct,
    misses: sum((f) => f.misses),
    moveViolations: sum((f) => f.moveViolations),
    scenarios: sum((f) => f.scenarios),
    microsecondsPerDecision: score.microsecondsPerDecision,
    seconds: score.seconds,
  };
  for (const family of score.families) figures[family.name] = family.gapPct;
  return Object.entries(policy[score.kind]).flatMap(([name, [low, high]]) => {
    const value = figures[name];
    if (value !== undefined && value >= low && value <= high) return [];
    return [`${score.title}: ${name} is ${value ?? 'not measured'}, not in [${low}, ${high}]`];
  });
}
