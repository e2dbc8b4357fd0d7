// 100,000 jobs as people submit them, and the market that they wait in: the simulated one of the local cluster, at six in the evening, when
// every job with time in hand waits for the night. Nothing here is left to chance: the same number is the same job.

import { simulatedMarket } from '../../src/adapters/local/market.ts';
import { spotAvailable, TYPES, type Weather } from '../../src/adapters/local/weather.ts';
import { loadConfig } from '../../src/config/load.ts';
import { engineSettings } from '../../src/config/timing.ts';
import { fold } from '../../src/engine/fold.ts';
import { CARBON_PRICE_USD_PER_TONNE } from '../../src/engine/objective.ts';
import type { JobId, JobSpec, Optimize } from '../../src/engine/job.ts';
import { latestStartMs } from '../../src/engine/slack.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import type { AvailabilityHistory, EngineSettings, MarketView } from '../../src/engine/snapshot.ts';
import type { Clock } from '../../src/ports.ts';
import type { NewJob } from '../../src/queue/bulk.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** 2026-11-24, 18:00 in Paris: the hour in which power and spot are dearest. */
export const EVENING_MS = Date.UTC(2026, 10, 24, 17);
const WEATHER: Weather = { seed: 'bench', droughtFromMs: null };

/** What `nerve up` has by default, on a clock that does not run fast. */
export const settingsOf = (): EngineSettings => engineSettings(loadConfig({ env: {}, cwd: import.meta.dirname }).config, 1);

/** The wall clock, set to the evening in question. */
export function eveningClock(): Clock {
  const aheadMs = EVENING_MS - Date.now();
  return {
    speed: 1,
    nowMs: () => Date.now() + aheadMs,
    realNowMs: () => Date.now(),
    sleep: (realMs) => new Promise((done) => setTimeout(done, realMs)),
  };
}

export const market = (): Promise<MarketView> =>
  simulatedMarket(() => Promise.resolve(WEATHER), { ...eveningClock(), nowMs: () => EVENING_MS }).view();

/** What a feed that looks every minute would have seen in seven days. */
export function watched(): readonly AvailabilityHistory[] {
  const observedFromMs = EVENING_MS - 7 * 24 * HOUR_MS;
  return Object.entries(TYPES).flatMap(([instanceType, { spotShare }]) =>
    Object.keys(spotShare).map((zone) => {
      const at = (atMs: number): boolean => spotAvailable(WEATHER, zone, instanceType, atMs);
      const changesMs: number[] = [];
      for (let atMs = observedFromMs + MINUTE_MS; atMs <= EVENING_MS; atMs += MINUTE_MS) if (at(atMs) !== at(atMs - MINUTE_MS)) changesMs.push(atMs);
      return { zone, instanceType, observedFromMs, availableAtFirst: at(observedFromMs), changesMs, observedEveryMs: MINUTE_MS };
    }),
  );
}

const idOf = (index: number): JobId => `j-${(index + 36 ** 7).toString(36)}`;
const OPTIMIZE: readonly Optimize[] = ['cost', 'cost', 'balanced', 'carbon'];
const PROGRAMS: readonly string[] = ['train.py', 'finetune.py', 'render.py', 'etl.py', 'sweep.py'];

/** From half an hour to eight hours of work, due eight to thirty hours after it could be done; one instance type, or two. */
export function spec(index: number): JobSpec {
  const workMs = (30 + ((index * 7919) % 450)) * MINUTE_MS;
  const slackMs = (480 + ((index * 104_729) % 1320)) * MINUTE_MS;
  const program = PROGRAMS[index % PROGRAMS.length] ?? 'train.py';
  const optimize = OPTIMIZE[index % OPTIMIZE.length] ?? 'cost';
  const id = idOf(index);
  return {
    id,
    name: program.replace('.py', ''),
    submittedAtMs: EVENING_MS,
    deadlineMs: EVENING_MS + workMs + slackMs,
    workMs,
    workSource: 'user',
    optimize,
    carbonPriceUsdPerTonne: CARBON_PRICE_USD_PER_TONNE[optimize],
    maxPriceUsdPerHour: null,
    zones: null,
    instanceTypes: index % 3 === 0 ? ['g4dn.xlarge', 'g6.xlarge'] : ['g4dn.xlarge'],
    retries: 3,
    checkpointUri: `file:///home/ana/.local/state/nerve/checkpoints/${id}`,
    program: {
      kind: 'process',
      command: ['python3', program, '--config', 'configs/base.yaml', '--seed', String(index)],
      cwd: '/home/ana/projects/segmentation',
    },
  };
}

/** Jobs of one kind, as decision 0007 counted them: one instance type, by price alone. */
export const alike = (index: number): JobSpec => ({
  ...spec(index),
  optimize: 'cost',
  carbonPriceUsdPerTonne: 0,
  instanceTypes: ['g4dn.xlarge'],
});

/** As intake would submit it, its alarm at the latest start. */
export function newJob(of: JobSpec, settings: EngineSettings): NewJob {
  const submitted: JobEvent = { type: 'submitted', atMs: EVENING_MS, spec: of, latestStartMs: 0, simulated: ['prices', 'availability', 'carbon'] };
  const alarmAtMs = latestStartMs(fold({ jobId: of.id, version: 1, events: [submitted] }), settings);
  return { jobId: of.id, events: [{ ...submitted, latestStartMs: alarmAtMs }], alarmAtMs };
}
