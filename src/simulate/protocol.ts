// A job in a world of ticks, and what is seen of that world in each. The names are those of the public policy benchmark, whose process
// (bench/policy) speaks them as JSON lines.

export interface Noise {
  readonly overheadFactorMax: number;
  readonly launchFailureProbability: number;
  readonly workRateMin: number;
}

export interface Scenario {
  readonly id: number;
  readonly hours: number;
  readonly deadlineHours: number;
  readonly overheadSeconds: number;
  readonly tickSeconds: number;
  readonly zones: readonly string[];
  readonly onDemandPrice: number;
  readonly noise?: Noise;
  readonly carbon?: { readonly stepSeconds: number; readonly kW: number; readonly usdPerKg: number; readonly history: readonly number[] } | null;
}

export interface Observation {
  readonly id: number;
  /** Seconds since the start. */
  readonly t: number;
  /** In the order of `zones`. */
  readonly avail: readonly (0 | 1)[];
  readonly price: readonly number[];
  /** What survived the last tick: `pause`, `on-demand`, or `spot:<zone>`. */
  readonly at: string;
  readonly preempted: boolean;
  readonly done: number;
  readonly overheadLeft: number;
  readonly ci?: number;
}
