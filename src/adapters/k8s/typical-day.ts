// What a region's grid is like on a typical day, shipped for clusters without a live feed, and always called so. Shape of France: a winter day of
// eCO2mix (RTE), in UTC; other regions: the annual mean of Cloud Carbon Footprint's table, flat, because its daily shape is not known here.

const HOUR_MS = 3_600_000;

/** g/kWh by hour of the day, UTC. */
const FRANCE = [33, 32, 31, 34, 38, 42, 46, 50, 49, 47, 45, 43, 45, 48, 51, 54, 60, 66, 62, 58, 50, 44, 40, 36] as const;

const ANNUAL_MEAN: Readonly<Record<string, number>> = { 'eu-west-1': 278.6, 'eu-central-1': 311, 'eu-north-1': 8.8 };

export interface TypicalDay {
  readonly source: string;
  gramsPerKwh(atMs: number): number;
}

const hourOf = (atMs: number): number => Math.floor((((atMs / HOUR_MS) % 24) + 24) % 24);

/** `byHour`: 24 values of the price file; null: what is shipped for the region. */
export function typicalDay(region: string, byHour: readonly number[] | null): TypicalDay {
  if (byHour !== null) return { source: 'the price file (typical day)', gramsPerKwh: (atMs) => byHour[hourOf(atMs)] ?? 0 };
  if (region === 'eu-west-3') return { source: 'typical winter day of the French grid (shipped)', gramsPerKwh: (atMs) => FRANCE[hourOf(atMs)] ?? 0 };
  const mean = ANNUAL_MEAN[region];
  if (mean === undefined) return { source: `unknown: no figure for the grid of ${region}`, gramsPerKwh: () => 0 };
  return { source: 'annual mean of the region (Cloud Carbon Footprint, shipped)', gramsPerKwh: () => mean };
}
