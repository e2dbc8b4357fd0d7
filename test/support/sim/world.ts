// One run of the simulation: real worker and agent loops against ports that fail by the scenario's plan, with every invariant
// checked where it could break (invariants.ts).

import { runAgent } from '../../../src/agent/run.ts';
import { quote } from '../../../src/engine/quote.ts';
import type { JobId } from '../../../src/engine/job.ts';
import type { JobReport } from '../../../src/engine/report.ts';
import type { Clock, Cluster, Market, Records } from '../../../src/ports.ts';
import { runWorker } from '../../../src/worker/run.ts';
import type { WorkerPorts } from '../../../src/worker/handle.ts';
import { HOUR, MINUTE } from '../build.ts';
import { quiet } from '../clock.ts';
import { memoryAlarms } from '../memory/alarms.ts';
import { memoryLeadership, memoryLock } from '../memory/leadership.ts';
import { memoryRecords } from '../memory/records.ts';
import { type SimCluster, simCluster, type SimNode } from './cluster.ts';
import { simHooks } from './hooks.ts';
import { faulty, type FaultContext, type FaultRates, NO_FAULTS } from './faults.ts';
import { atTheEnd, onAppend } from './invariants.ts';
import { laggingWatch } from './lagging.ts';
import { simMarket, type SimMarket } from './market.ts';
import { simProcess, type SimProcess, type WallClock } from './process.ts';
import { random } from './random.ts';
import { type JobPlan, type Scenario, settings, START } from './scenario.ts';
import { type SimTime, simTime } from './time.ts';

/** A planted bug: the worker's ports, changed. */
export interface Plant {
  /** Outside the faults, what it does may fail too; inside, it is done by the service itself. */
  readonly layer: 'inside' | 'outside';
  change(ports: WorkerPorts, world: { readonly time: SimTime; readonly process: SimProcess }): WorkerPorts;
}

export interface Outcome {
  readonly violations: readonly string[];
  readonly steps: number;
  readonly reports: ReadonlyMap<JobId, JobReport>;
  /** What happened, for people: filled when asked for. */
  readonly story: readonly string[];
}

export interface RunOptions {
  readonly plant?: Plant;
  readonly story?: boolean;
}

export interface World {
  readonly scenario: Scenario;
  readonly time: SimTime;
  readonly records: Records;
  readonly reports: ReadonlyMap<JobId, JobReport>;
  readonly cluster: SimCluster;
  readonly market: SimMarket;
  /** Ms by which faults of Nerve's own machines may have delayed a job, at most. */
  excusedMs: number;
  readonly feasible: Map<JobId, boolean>;
  violation(text: string): void;
  tell(text: string): void;
}

const POLL_MS = 5000;
const RARE_CALLS: ReadonlySet<string> = new Set([
  'cluster.launch',
  'cluster.requestStop',
  'cluster.remove',
  'cluster.forget',
  'records.append',
  'records.close',
  'hooks.checkpoint',
]);

export async function runScenario(scenario: Scenario, options: RunOptions = {}): Promise<Outcome> {
  const time = simTime(START);
  const seeds = random(scenario.seed).fork('run');
  const violations: string[] = [];
  const story: string[] = [];
  const stamp = (): string => `${((time.nowMs() - START) / MINUTE).toFixed(2).padStart(7)} min`;
  const tell = (text: string): void => {
    if (options.story === true) story.push(`${stamp()}  ${text}`);
  };
  const violation = (text: string): void => {
    tell(`VIOLATION ${text}`);
    if (violations.length < 10) violations.push(`${stamp().trim()}: ${text}`);
  };
  const endOfFaultsMs = Math.max(...scenario.jobs.map((j) => j.spec.deadlineMs)) + 30 * MINUTE;
  const faultsOn = (): boolean => time.nowMs() < endOfFaultsMs;

  const market = simMarket(time, scenario.seed, scenario.market);
  const watches = new Set<(jobIds: readonly JobId[]) => void>();
  const agents = new Map<SimNode, SimProcess>();
  const cluster = simCluster(time, market, scenario.cloud, seeds.fork('cloud'), {
    nodeUp: (node) => time.at(time.nowMs() + 3000, () => startAgent(node)),
    nodeDown: (node) => {
      tell(`${node.name} is gone`);
      agents.get(node)?.kill();
      agents.delete(node);
    },
    changed: (jobIds) => {
      for (const watch of watches) watch(jobIds);
    },
    twiceAtOnce: (jobId, names) => violation(`two attempts of ${jobId} compute at once: ${names.join(', ')}`),
  });

  const trueRecords = memoryRecords();
  const world: World = {
    scenario,
    time,
    records: trueRecords,
    reports: trueRecords.reports,
    cluster,
    market,
    excusedMs: 0,
    feasible: new Map(),
    violation,
    tell,
  };
  const records: Records = {
    ...trueRecords,
    append: async (jobId, version, events) => {
      const answer = await trueRecords.append(jobId, version, events);
      if (answer !== 'conflict') onAppend(world, await trueRecords.read(jobId), events.length);
      return answer;
    },
  };

  const faultContext = (label: string, rates: FaultRates): FaultContext => ({
    time,
    random: seeds.fork(label),
    rates: (call) => {
      if (!faultsOn()) return NO_FAULTS;
      // The rare calls are the ones that matter: a run has five launches and thousands of reads.
      return RARE_CALLS.has(call) ? { ...rates, fail: rates.fail * 5, crash: rates.crash * 8 } : rates;
    },
    away: (service) => faultsOn() && scenario.outages.some((o) => o.service === service && o.fromMs <= time.nowMs() && time.nowMs() < o.toMs),
    excuse: (ms) => {
      world.excusedMs += ms;
    },
  });

  // --- the worker processes, restarted by their supervisor when they die ---
  const wall: WallClock = { errorMs: 0 };
  const redisClock: Clock = {
    speed: 1,
    nowMs: () => Math.round(time.nowMs() + wall.errorMs),
    realNowMs: () => Math.round(time.nowMs() + wall.errorMs),
    sleep: (ms, signal) => time.sleep(ms, signal),
  };
  const alarms = memoryAlarms(redisClock, { concurrency: 8, backoffRealMs: 250, lockRealMs: 5000 });
  const lock = memoryLock();
  const workers: SimProcess[] = [];
  let stopping = false;
  const startWorker = (index: number, life: number): void => {
    if (stopping) return;
    const process = simProcess(time, `worker-${index}.${life}`, wall);
    workers[index] = process;
    const context = faultContext(process.name, scenario.workerFaults);
    const view = laggingWatch({ time, random: seeds.fork(`watch of ${process.name}`), ...scenario.watch, attempts: () => cluster.pods() }, (...ask) =>
      cluster.port.attemptsOf(...ask),
    );
    let wake: ((jobIds: readonly JobId[]) => void) | null = null;
    const hear = (jobIds: readonly JobId[]): void => view.changed(jobIds, () => wake?.(jobIds));
    watches.add(hear);
    process.signal.addEventListener('abort', () => watches.delete(hear), { once: true });
    const watch: Cluster['watch'] = async (changed, signal) => {
      wake = changed;
      process.signal.addEventListener('abort', () => (wake = null), { once: true });
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      wake = null;
    };
    const { plant } = options;
    const planted = (layer: Plant['layer'], ports: WorkerPorts): WorkerPorts =>
      plant?.layer === layer ? plant.change(ports, { time, process }) : ports;
    const log = options.story === true ? teller(process.name) : quiet;
    const truth = planted('inside', {
      records,
      alarms,
      leadership: memoryLeadership(lock, redisClock),
      cluster: { ...cluster.port, attemptsOf: view.attemptsOf, watch },
      market,
      clock: process.clock,
      log,
    });
    const ports = planted('outside', {
      records: faulty(truth.records, 'records', process, context),
      alarms: {
        ...faulty(truth.alarms, 'alarms', process, context),
        run: (handle, signal) => truth.alarms.run((id) => process.awake().then(() => handle(id)), signal),
      },
      leadership: faulty(truth.leadership, 'leadership', process, context),
      cluster: { ...faulty(truth.cluster, 'cluster', process, context), watch },
      market: faulty<Market>({ view: () => truth.market.view(), meter: (ask) => truth.market.meter(ask) }, 'market', process, context),
      clock: process.clock,
      log,
    });
    process.signal.addEventListener('abort', () => {
      tell(`${process.name} was killed`);
      const downMs = seeds.between(500, 15_000);
      world.excusedMs += downMs + 10_000;
      time.at(time.nowMs() + downMs, () => startWorker(index, life + 1));
    });
    runWorker(ports, { settings, sweepRealMs: settings.sweepMs, marketTickRealMs: 60_000 }, process.signal).catch((error: unknown) =>
      violation(`${process.name} ended with ${String(error)}`),
    );
  };
  const teller = (name: string) => {
    const say = (fields: Readonly<Record<string, unknown>>, message: string): void => tell(`${name}: ${message} ${JSON.stringify(fields)}`);
    return { ...quiet, info: say, warn: say, error: say };
  };

  // --- one agent per node ---
  const hooks = simHooks((token) => cluster.trainingOf(token));
  const startAgent = (node: SimNode, life = 1): void => {
    if (node.gone || stopping) return;
    const process = simProcess(time, `agent of ${node.name}.${life}`, { errorMs: 0 });
    agents.set(node, process);
    const context = faultContext(process.name, scenario.agentFaults);
    process.signal.addEventListener('abort', () => {
      if (node.gone) return;
      tell(`${process.name} was killed`);
      const downMs = seeds.between(500, 15_000);
      world.excusedMs += downMs;
      time.at(time.nowMs() + downMs, () => startAgent(node, life + 1));
    });
    const ports = {
      metadata: faulty(cluster.metadataOf(node), 'metadata', process, context),
      host: faulty(cluster.hostOf(node), 'host', process, context),
      hooks: faulty(hooks, 'hooks', process, context),
      clock: process.clock,
      log: options.story === true ? teller(process.name) : quiet,
    };
    runAgent(ports, { pollRealMs: POLL_MS, progressRealMs: 30_000, uncordonAfterMs: 10 * MINUTE }, process.signal).catch((error: unknown) =>
      violation(`${process.name} ended with ${String(error)}`),
    );
  };

  // --- the user, and what befalls the machines ---
  const submit = async (job: JobPlan): Promise<void> => {
    const view = await market.view();
    const asked = quote(job.spec, view, settings, time.nowMs());
    world.feasible.set(job.spec.id, asked.feasible);
    cluster.natures.set(job.spec.id, job.nature);
    tell(
      `submit ${job.spec.id}: work ${job.spec.workMs / MINUTE} min, deadline at ${(job.spec.deadlineMs - START) / MINUTE} min, feasible ${asked.feasible}`,
    );
    await records.append(job.spec.id, 0, [
      { type: 'submitted', atMs: time.nowMs(), spec: job.spec, latestStartMs: asked.latestStartMs, simulated: view.simulated },
    ]);
    if (!job.alarmLost) await alarms.arm(job.spec.id, asked.reason === 'cheaper-window-ahead' ? asked.latestStartMs : time.nowMs());
  };
  const act = async (job: JobPlan, index: number): Promise<void> => {
    const wanted = job.acts[index];
    for (;;) {
      const record = await records.read(job.spec.id);
      if (wanted === undefined || record === null || record.events.some((e) => e.type === 'finished')) return;
      const event = wanted.event(time.nowMs(), job.spec);
      tell(`user: ${event.type} ${job.spec.id}`);
      if ((await records.append(job.spec.id, record.version, [event])) !== 'conflict') break;
    }
    await alarms.wake(job.spec.id);
  };
  for (const job of scenario.jobs) {
    time.at(job.spec.submittedAtMs, () => void submit(job));
    for (const [i, { atMs }] of job.acts.entries()) time.at(atMs, () => void act(job, i));
    if (job.deletedAtMs !== null) {
      time.at(job.deletedAtMs, () => {
        const newest = cluster.pods().findLast((p) => p.jobId === job.spec.id && p.endedAtMs === null);
        if (newest !== undefined) cluster.deleteByHand(newest.name);
      });
    }
  }
  for (const pause of scenario.pauses) {
    time.at(pause.atMs, () => {
      tell('worker 0 is paused');
      workers[0]?.pause(pause.ms);
      world.excusedMs += pause.ms + 10_000;
      // Its locks run out while it stands still.
      for (let ms = 5000; ms < pause.ms; ms += 5000) time.at(time.nowMs() + ms, () => scenario.jobs.forEach((j) => alarms.stall(j.spec.id)));
    });
  }
  for (const { fromMs, toMs, errorMs } of scenario.clockErrors) {
    const set = (ms: number): void => {
      tell(`the worker's clock is ${ms} ms off`);
      wall.errorMs = ms;
      world.excusedMs += Math.abs(errorMs);
      void alarms.disarm('nobody');
    };
    time.at(fromMs, () => set(errorMs));
    time.at(toMs, () => set(0));
  }
  for (const { fromMs, toMs, service } of scenario.outages) {
    tell(`outage of ${service} from ${(fromMs - START) / MINUTE} to ${(toMs - START) / MINUTE} min`);
    world.excusedMs += toMs - fromMs;
  }

  for (let i = 0; i < scenario.workers; i++) startWorker(i, 1);
  const horizonMs = endOfFaultsMs + 12 * HOUR;
  const allClosed = (): boolean => trueRecords.reports.size === scenario.jobs.length;
  let steps = await time.run(horizonMs, () => allClosed() || violations.length >= 10);
  // A quarter of an hour in which nothing fails any more, to clear away what came late.
  const clearedMs = Math.max(time.nowMs(), Math.min(endOfFaultsMs, horizonMs)) + 15 * MINUTE;
  const quietEnd = allClosed() ? Math.max(time.nowMs() + 15 * MINUTE, faultsOn() && scenario.weather !== 'calm' ? clearedMs : 0) : time.nowMs();
  steps += await time.run(quietEnd, () => false);
  stopping = true;
  await atTheEnd(world);
  for (const process of [...workers, ...agents.values()]) process.kill();
  await time.run(time.nowMs(), () => false);
  return { violations, steps, reports: trueRecords.reports, story };
}
