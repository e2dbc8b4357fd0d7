// Money and carbon of a stretch of running. Power is the whole instance's, PUE included (`facilityPowerKw`), so that
// nobody multiplies twice. Source of the method: Cloud Carbon Footprint's linear model; PUE: AWS, global, 2025.

import type { UsageSegment } from './record.ts';

const HOUR_MS = 3_600_000;

/** Power usage effectiveness of AWS data centres, global average 2025 (no figure is published for Paris). */
const DEFAULT_PUE = 1.14;

/** Busy power (GPU 90 %, CPU 50 %) in watts of the instances the local market offers; Cloud Carbon Footprint coefficients. */
const BUSY_WATTS: Readonly<Record<string, number>> = {
  'g4dn.xlarge': 80,
  'g4dn.12xlarge': 445,
  'g5.xlarge': 155,
  'g5.12xlarge': 744,
  'g6.xlarge': 81,
  'g6.12xlarge': 448,
  'g6.48xlarge': 1268,
  'p3.2xlarge': 321,
  'p4d.24xlarge': 3640,
};

/** Kilowatts drawn from the grid, or null for a type nobody measured. */
export function facilityPowerKw(instanceType: string, pue = DEFAULT_PUE): number | null {
  const watts = BUSY_WATTS[instanceType];
  return watts === undefined ? null : (watts * pue) / 1000;
}

export const costUsd = (usage: readonly UsageSegment[]): number => sum(usage, (s) => hours(s) * s.priceUsdPerHour);

/** kWh of a segment times its own intensity: never a mean times a total. */
export const carbonGrams = (usage: readonly UsageSegment[]): number => sum(usage, (s) => hours(s) * s.facilityPowerKw * s.carbonGramsPerKwh);

const hours = (segment: UsageSegment): number => Math.max(0, segment.toMs - segment.fromMs) / HOUR_MS;

function sum(usage: readonly UsageSegment[], value: (segment: UsageSegment) => number): number {
  return usage.reduce((total, segment) => total + value(segment), 0);
}
