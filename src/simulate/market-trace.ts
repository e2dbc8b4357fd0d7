// What a market did, tick by tick: where spot could be had and for how much, and what the grid emitted. Recorded or synthetic.

export interface MarketTrace {
  /** For people: where it comes from. */
  readonly source: string;
  readonly startMs: number;
  readonly tickMs: number;
  readonly zones: readonly string[];
  readonly instanceType: string;
  readonly onDemandUsdPerHour: number;
  /** Whole instance, PUE included; 0 where nobody measured. */
  readonly facilityPowerKw: number;
  /** [tick][zone]. */
  readonly available: readonly (readonly (0 | 1)[])[];
  readonly usdPerHour: readonly (readonly number[])[];
  /** Of each tick, and of the week before the first; empty where the grid is not known. */
  readonly gramsPerKwh: readonly number[];
  readonly gramsBefore: readonly number[];
  /** What was wrong with it and how that was read, in sentences. */
  readonly oddities: readonly string[];
}

export const endOf = ({ startMs, tickMs, available }: MarketTrace): number => startMs + tickMs * available.length;

/**
 * The same in longer ticks: spot was there if it was there all the time, at its mean price. Thousands of jobs in ticks of three minutes take
 * minutes, and say the same.
 */
export function coarsened(trace: MarketTrace, leastTickMs: number): MarketTrace {
  const factor = Math.ceil(leastTickMs / trace.tickMs);
  if (factor <= 1) return trace;
  const ticks = Math.floor(trace.available.length / factor);
  const group = <T>(rows: readonly T[], k: number): readonly T[] => rows.slice(k * factor, (k + 1) * factor);
  return {
    ...trace,
    tickMs: trace.tickMs * factor,
    available: Array.from({ length: ticks }, (_, k) =>
      trace.zones.map((_z, z): 0 | 1 => (group(trace.available, k).every((row) => row[z] === 1) ? 1 : 0)),
    ),
    usdPerHour: Array.from({ length: ticks }, (_, k) => trace.zones.map((_z, z) => mean(group(trace.usdPerHour, k).map((row) => row[z] ?? 0)))),
    gramsPerKwh: trace.gramsPerKwh.length === 0 ? [] : Array.from({ length: ticks }, (_, k) => mean(group(trace.gramsPerKwh, k))),
    gramsBefore: Array.from({ length: Math.floor(trace.gramsBefore.length / factor) }, (_, k) => mean(group(trace.gramsBefore, k))),
    oddities: [...trace.oddities, `Ticks of ${trace.tickMs / 1000} s were joined to ${(trace.tickMs * factor) / 60_000} min.`],
  };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
