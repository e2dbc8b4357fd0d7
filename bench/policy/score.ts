// What a run of the benchmark comes to, and how it is shown.

export interface Family {
  readonly name: string;
  readonly scenarios: number;
  /** Above the reference of this kind of run, in percent: the omniscient optimum, or (synthetic) the best of hindsight bounds. */
  readonly gapPct: number;
  readonly toOnDemand: number;
  readonly misses: number;
  readonly moveViolations: number;
}

export interface Score {
  readonly kind: 'recorded' | 'noise' | 'synthetic';
  readonly title: string;
  /** What `gapPct` is above. */
  readonly reference: string;
  readonly families: readonly Family[];
  /** Of all groups but `carbon` (which has no spot). */
  readonly headlinePct: number;
  readonly microsecondsPerDecision: number;
  readonly seconds: number;
}

export function table(score: Score): readonly string[] {
  return [
    `## ${score.title}`,
    '',
    `| family | scenarios | % above ${score.reference} | of on-demand's cost | misses | third moves |`,
    '|---|---|---|---|---|---|',
    ...score.families.map(
      (f) => `| ${f.name} | ${f.scenarios} | ${f.gapPct.toFixed(2)} | ${f.toOnDemand.toFixed(3)} | ${f.misses} | ${f.moveViolations} |`,
    ),
    '',
    `Mean over groups without \`carbon\`: **${score.headlinePct.toFixed(2)} %**; ${score.microsecondsPerDecision.toFixed(0)} us of one core a decision; ${score.seconds.toFixed(0)} s.`,
    '',
  ];
}
