// From a seed to everything that will happen in one run: jobs, market, cloud, user, and faults. Three kinds of weather: `calm` (the cloud
// misbehaves, Nerve's own machines do not: a late job is then never excused), `gusty` and `stormy`.

import type { JobSpec } from '../../../src/engine/job.ts';
import type { JobEvent } from '../../../src/engine/record.ts';
import { HOUR, MINUTE, NOW, SETTINGS, spec } from '../build.ts';
import type { CloudPlan } from './cloud-plan.ts';
import type { JobNature } from './cluster.ts';
import { type FaultRates, NO_FAULTS } from './faults.ts';
import { drawMarket, type MarketPlan, ZONES } from './market.ts';
import { random, type Random } from './random.ts';

export interface UserAct {
  readonly atMs: number;
  readonly event: (atMs: number, spec: JobSpec) => JobEvent;
}

export interface JobPlan {
  readonly spec: JobSpec;
  readonly nature: JobNature;
  readonly acts: readonly UserAct[];
  /** The submitting process died between the record and the alarm. */
  readonly alarmLost: boolean;
  /** Somebody deletes its newest object by hand. */
  readonly deletedAtMs: number | null;
}

export interface Scenario {
  readonly seed: number;
  readonly weather: 'calm' | 'gusty' | 'stormy';
  readonly jobs: readonly JobPlan[];
  readonly market: MarketPlan;
  readonly cloud: CloudPlan;
  readonly workers: number;
  readonly workerFaults: FaultRates;
  readonly agentFaults: FaultRates;
  /** Services that do not answer at all for a while. */
  readonly outages: readonly { readonly service: string; readonly fromMs: number; readonly toMs: number }[];
  readonly pauses: readonly { readonly atMs: number; readonly ms: number }[];
  readonly clockErrors: readonly { readonly fromMs: number; readonly toMs: number; readonly errorMs: number }[];
  readonly watch: { readonly lost: number; readonly twice: number };
}

export const START = NOW;
export const settings = SETTINGS;

export function scenario(seed: number): Scenario {
  const chance = random(seed);
  const weather = chance.pick(['calm', 'calm', 'gusty', 'stormy']);
  const jobs = Array.from({ length: chance.int(1, 3) }, (_, i) => jobPlan(chance.fork(`job ${i}`), i, weather));
  const endMs = Math.max(...jobs.map((j) => j.spec.deadlineMs));
  const faults = chance.fork('faults');
  const rough = weather === 'stormy' ? 1 : weather === 'gusty' ? 0.2 : 0;
  const span = (longestMs: number): { fromMs: number; toMs: number } => {
    const fromMs = faults.between(START, endMs);
    return { fromMs, toMs: fromMs + faults.between(10_000, longestMs) };
  };
  const some = <T>(most: number, make: () => T): T[] => (rough === 0 ? [] : Array.from({ length: faults.int(0, most) }, make));
  return {
    seed,
    weather,
    jobs,
    market: drawMarket(chance.fork('market'), START, endMs, {
      spotDry: chance.int(0, 3),
      spotEnds: chance.chance(0.2),
      onDemandDry: chance.pick([0, 0, 1]),
      lies: chance.pick([0, 1, 3]),
    }),
    cloud: cloudPlan(chance.fork('cloud')),
    workers: faults.int(1, 2),
    workerFaults:
      rough === 0 ? { ...NO_FAULTS, slow: 0.05 } : { fail: 0.05 * rough * faults.next(), crash: 0.015 * rough * faults.next(), slow: 0.2 },
    agentFaults: rough === 0 ? { ...NO_FAULTS, slow: 0.05 } : { fail: 0.05 * rough * faults.next(), crash: 0.005 * rough * faults.next(), slow: 0.2 },
    outages: some(4, () => ({
      service: faults.pick(['records', 'alarms', 'leadership', 'cluster', 'market', 'host', 'hooks', 'metadata']),
      ...span(10 * MINUTE),
    })),
    pauses: some(2, () => ({ atMs: faults.between(START, endMs), ms: MINUTE })),
    clockErrors: some(1, () => ({ ...span(20 * MINUTE), errorMs: Math.round(faults.between(-5 * MINUTE, 5 * MINUTE)) })),
    watch: { lost: faults.pick([0, 0.1, 0.5]), twice: 0.1 },
  };
}

function cloudPlan(chance: Random): CloudPlan {
  return {
    spotLifeMs: chance.pick([null, 3 * HOUR, HOUR, 20 * MINUTE]),
    onDemandLifeMs: chance.pick([null, null, null, HOUR]),
    vanishShare: chance.pick([0, 0.2, 0.6]),
    shortNoticeShare: chance.pick([0, 0.3]),
    rebalanceShare: chance.pick([0, 0.5]),
    objectsVanish: chance.chance(0.2),
    silentShare: chance.pick([0, 0, 0.5]),
    stuckShare: chance.pick([0, 0, 0.1, 0.3]),
    noticeMs: settings.noticeMs,
    graceMs: 30_000,
    bootMs: chance.pick<readonly [number, number]>([
      [300, 3000],
      [5000, 60_000],
      [20_000, 110_000],
    ]),
  };
}

function jobPlan(chance: Random, index: number, weather: Scenario['weather']): JobPlan {
  const submittedAtMs = START + (index === 0 ? 0 : chance.int(0, 30) * MINUTE);
  const workMs = chance.int(8, 60) * MINUTE;
  const deadlineMs = submittedAtMs + workMs + chance.int(11, chance.pick([14, 30, 90, 240])) * MINUTE;
  const acts = chance.chance(0.25) ? userActs(chance, submittedAtMs, deadlineMs) : [];
  return {
    spec: spec({
      id: `j-sim0000${index}`,
      name: `sim ${index}`,
      submittedAtMs,
      deadlineMs,
      workMs,
      carbonPriceUsdPerTonne: chance.pick([0, 0, 190]),
      zones: chance.chance(0.15) ? [ZONES[0], ZONES[1]] : null,
      maxPriceUsdPerHour: chance.chance(0.08) ? 0.3 : null,
    }),
    nature: {
      workMs: Math.round(workMs * (chance.chance(0.15) ? chance.between(1, 1.4) : chance.between(0.7, 1))),
      checkpointMs: chance.chance(0.15) ? chance.int(60, 200) * 1000 : chance.int(1, 20) * 1000,
      boundaryMs: chance.pick([0, 500, 3000, 15_000]),
      hookless: chance.chance(0.08),
      failures: new Map(
        chance.chance(0.15)
          ? Array.from({ length: 6 }, (_, i) => [i + 1, chance.between(0, workMs * 1.5)] as const).filter(() => chance.chance(0.6))
          : [],
      ),
    },
    acts,
    alarmLost: weather !== 'calm' && chance.chance(0.1),
    deletedAtMs: chance.chance(0.03) ? chance.between(submittedAtMs, deadlineMs) : null,
  };
}

function userActs(chance: Random, fromMs: number, toMs: number): UserAct[] {
  const atMs = (): number => chance.between(fromMs, toMs);
  const kind = chance.pick(['pause', 'pause', 'cancel', 'amend', 'release']);
  switch (kind) {
    case 'pause': {
      const first = atMs();
      return [
        { atMs: first, event: (at) => ({ type: 'paused', atMs: at }) },
        { atMs: first + chance.between(1000, 30 * MINUTE), event: (at) => ({ type: 'unpaused', atMs: at }) },
      ];
    }
    case 'cancel':
      return [{ atMs: atMs(), event: (at) => ({ type: 'cancel-requested', atMs: at }) }];
    case 'amend': {
      const byMs = chance.between(-30, 120) * MINUTE;
      return [{ atMs: atMs(), event: (at, { deadlineMs }) => ({ type: 'amended', atMs: at, deadlineMs: Math.round(deadlineMs + byMs) }) }];
    }
    case 'release':
      return [{ atMs: atMs(), event: (at) => ({ type: 'release-requested', atMs: at }) }];
  }
}
