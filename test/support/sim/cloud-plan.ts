/** How the cloud and the machines behave in this run. */
export interface CloudPlan {
  /** Mean life of a spot node; null = for ever. */
  readonly spotLifeMs: number | null;
  /** On-demand nodes vanish too (nobody promises that they do not). */
  readonly onDemandLifeMs: number | null;
  readonly vanishShare: number;
  readonly shortNoticeShare: number;
  readonly rebalanceShare: number;
  /** Some vanished nodes take their attempt objects along. */
  readonly objectsVanish: boolean;
  /** Some machines fall silent: the node is not ready, and stays; nobody ends what was on it. */
  readonly silentShare: number;
  /** On some spot machines nothing ever starts. */
  readonly stuckShare: number;
  readonly noticeMs: number;
  readonly graceMs: number;
  /** From asking for a machine to having it. */
  readonly bootMs: readonly [number, number];
}

/** Nothing is taken unless the test takes it. */
export const CALM = {
  spotLifeMs: null,
  onDemandLifeMs: null,
  vanishShare: 0,
  shortNoticeShare: 0,
  rebalanceShare: 0,
  objectsVanish: false,
  silentShare: 0,
  stuckShare: 0,
} as const;
