// A SYNTHETIC market, seeded: spot that comes and goes as it does in recorded traces (engine/policy/hazard.ts), at a price that drifts,
// and a grid with a day and weather. Nothing in it was recorded.

import { hazardAt, LOSS, RETURN } from '../engine/policy/hazard.ts';
import { chanceOf } from './chance.ts';
import type { MarketTrace } from './market-trace.ts';

const HOUR_MS = 3_600_000;
const TICK_MS = HOUR_MS / 4;
const WEEK_TICKS = (7 * 24 * HOUR_MS) / TICK_MS;
const ON_DEMAND_USD = 0.615;

export function syntheticTrace(seed: string, startMs: number, days: number): MarketTrace {
  const ticks = Math.ceil((days * 24 * HOUR_MS) / TICK_MS);
  const chance = chanceOf(`${seed} spot`);
  const between = (low: number, high: number): number => low + chance() * (high - low);
  const zones = ['euw3-az1', 'euw3-az2', 'euw3-az3'];
  const state = zones.map(() => ({
    up: chance() < 0.7,
    ageHours: between(0, 4),
    usd: between(0.16, 0.23),
    loss: between(0.4, 1.5),
    back: between(0.8, 2),
  }));
  const hours = TICK_MS / HOUR_MS;
  const available: (0 | 1)[][] = [];
  const usdPerHour: number[][] = [];
  for (let k = 0; k < ticks; k++) {
    for (const zone of state) {
      const perHour = zone.up ? zone.loss * hazardAt(LOSS, zone.ageHours + hours) : zone.back * hazardAt(RETURN, zone.ageHours + hours);
      if (chance() < 1 - Math.exp(-perHour * hours)) {
        zone.up = !zone.up;
        zone.ageHours = 0;
      } else zone.ageHours += hours;
      // Some four steps a day, of a percent or less: as recorded of p3.2xlarge in 2023.
      if (chance() < 0.04) zone.usd = Math.min(0.4, Math.max(0.12, zone.usd * between(0.988, 1.0125)));
    }
    available.push(state.map((zone) => (zone.up ? 1 : 0)));
    usdPerHour.push(state.map((zone) => Math.round(zone.usd * 1e4) / 1e4));
  }
  const grid = gridOf(seed, startMs, ticks);
  return {
    source: `synthetic market, seed "${seed}"`,
    startMs,
    tickMs: TICK_MS,
    zones,
    instanceType: 'g4dn.xlarge',
    onDemandUsdPerHour: ON_DEMAND_USD,
    facilityPowerKw: 0.0912,
    available,
    usdPerHour,
    gramsPerKwh: grid.slice(WEEK_TICKS),
    gramsBefore: grid.slice(0, WEEK_TICKS),
    oddities: [],
  };
}

function gridOf(seed: string, startMs: number, ticks: number): readonly number[] {
  const chance = chanceOf(`${seed} grid`);
  let weather = 0;
  return Array.from({ length: WEEK_TICKS + ticks }, (_, i) => {
    const hour = (((startMs / HOUR_MS + ((i - WEEK_TICKS) * TICK_MS) / HOUR_MS) % 24) + 24) % 24;
    weather = 0.995 * weather + (chance() + chance() - 1) * 2;
    return Math.max(12, 48 + 12 * Math.sin(((hour - 13) / 12) * Math.PI) + 6 * Math.sin(((hour - 8) / 6) * Math.PI) + weather);
  });
}
