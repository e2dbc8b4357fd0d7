// Level 1, the whole load: jobs as `nerve submit` leaves them and pods that the real webhook adopts, over three zones, with an interruption
// notice every six seconds, dry launches, vanishing machines, a killed worker and an API server that is away for a minute. Scaled ten to one:
// the move limit's hour is six minutes. Then thousands of held pods, to see what the worker weighs.
//
// NERVE_LOAD_JOBS, NERVE_LOAD_MINUTES, NERVE_LOAD_HELD and NERVE_LOAD_AWAY_SECONDS make it smaller; NERVE_LOAD_SEED draws another load.

import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clockFrom } from '../../src/adapters/system/clock.ts';
import { silentLog } from '../../src/adapters/system/log.ts';
import type { Pod } from '../../src/engine/pod/types.ts';
import { totals } from '../../src/engine/report.ts';
import { type OpenQueue, openQueue } from '../../src/queue/open.ts';
import { SMALL_ENV, smallFlags } from '../support/chart/small.ts';
import { type TestNode, whyNoCluster, ZONES } from '../support/k8s/control-plane.ts';
import type { Daemon } from '../support/k8s/daemon.ts';
import { chanceFrom, drawJobs, excuseMs, type Late, lateOnes, type LoadJob, thirdMoves } from '../support/k8s/load.ts';
import { adoptedPod, NAMESPACE, OVERHEAD_SECONDS, startWorld, until, type World } from '../support/k8s/world.ts';
import { BEATING, createWorkerPod, type DryLaunches, READY_LABEL, startDryLaunches, startNerveWebhook } from '../support/k8s/webhooks.ts';
import { cpuSecondsOf, programPid, weightOf } from '../support/process-weight.ts';

const JOBS = Number(process.env['NERVE_LOAD_JOBS'] ?? 1000);
const ARRIVE_MS = Number(process.env['NERVE_LOAD_MINUTES'] ?? 10) * 60_000;
const HELD = Number(process.env['NERVE_LOAD_HELD'] ?? 5000);
const SEED = Number(process.env['NERVE_LOAD_SEED'] ?? 1);
const NOTICE_EVERY_MS = 6000;
const NOTICES = Math.floor(ARRIVE_MS / NOTICE_EVERY_MS) + 1;
const ZONE_WIDE_EVERY = 25;
/** Interruptions come zone by zone, as they do: one zone's spot is bad for a minute, then another's. */
const BAD_ZONE_MS = 60_000;
const VANISH_EVERY = 33;
const DRY_SHARE = 0.05;
const AWAY_MS = Number(process.env['NERVE_LOAD_AWAY_SECONDS'] ?? 60) * 1000;
const AWAY_LIMIT_MS = 240_000;
const MOVE_WINDOW_MS = 360_000;
/** A limit counts launches; a pod runs a little later. */
const START_JITTER_MS = 10_000;
const SWEEP_SECONDS = 5;
const ABREAST = 20;
const QUIET_MS = 30_000;
const COSTS = { dryMs: 25_000, lostMs: 20_000 };
/** As the chart starts it. */
const PROGRAM = [...smallFlags(64), 'dist/cli.js'];

const why = process.env['NERVE_CLUSTER_LOAD'] === '1' ? await whyNoCluster() : 'NERVE_CLUSTER_LOAD is not 1';
const print = (line: string): void => {
  console.log(line);
  const file = process.env['NERVE_LOAD_REPORT'];
  if (file !== undefined) appendFileSync(file, `${line}\n`);
};

describe.skipIf(why !== null)(`a level-1 cluster under load${why === null ? '' : ` (skipped: ${why})`}`, () => {
  let world: World;
  let dry: DryLaunches;
  let queue: OpenQueue;
  let worker: Daemon;
  let away = { fromMs: 0, toMs: 0 };
  const chance = chanceFrom(SEED);
  const idOf = new Map<string, string>();
  const onDemandLost: string[] = [];

  beforeAll(async () => {
    const env = {
      ...BEATING,
      NERVE_SWEEP_SECONDS: String(SWEEP_SECONDS),
      NERVE_MOVE_WINDOW_SECONDS: String(MOVE_WINDOW_MS / 1000),
      NERVE_PROGRESS_SECONDS: '5',
      ...SMALL_ENV,
    };
    world = await startWorld({ perPool: { spot: 6, 'on-demand': 2 }, training: { tickMs: 500 }, env, program: PROGRAM });
    worker = world.worker;
    await createWorkerPod(world.plane.admin);
    await startNerveWebhook(world.plane, NAMESPACE, PROGRAM);
    dry = await startDryLaunches(world.plane.admin, () => chance() < DRY_SHARE);
    queue = await openQueue({
      target: { url: world.redis.url },
      patience: 'fail-fast',
      clock: clockFrom({ realMs: 0, virtualMs: 0, speed: 1 }),
      log: silentLog,
    });
    // The first beat that the webhook sees move is what makes it hold pods.
    const probe = (): Promise<Pod> =>
      world.plane.admin.call('POST', `/api/v1/namespaces/${NAMESPACE}/pods?dryRun=All`, labelled('probe', 60, Date.now() + 600_000));
    await until(async () => (await probe()).spec.schedulingGates !== undefined, 120_000, world.tails);
  }, 1_800_000);
  afterAll(async () => {
    await queue?.close();
    await world?.stop();
    await dry?.close();
  }, 120_000);

  const submit = async (job: LoadJob): Promise<void> => {
    const deadlineMs = Date.now() + (job.workSeconds + OVERHEAD_SECONDS + (SWEEP_SECONDS - 3) + job.slackSeconds) * 1000;
    const make = (): object => (job.by === 'submit' ? ready(job.name, job.workSeconds, deadlineMs) : labelled(job.name, job.workSeconds, deadlineMs));
    // A client tries again while the API server is away; what it asked for was due when it first asked.
    await until(
      async () => {
        const pod = await world.create(make()).catch(() => null);
        if (pod !== null) idOf.set(job.name, pod.metadata.labels?.['nerve.io/job-id'] ?? '');
        return pod !== null;
      },
      AWAY_LIMIT_MS,
      () => `pod of ${job.name} could not be created`,
    );
  };

  const load = (name: string): number => world.trainings.running().filter((run) => run.node === name).length;
  const busiest = (nodes: readonly TestNode[]): readonly TestNode[] => nodes.toSorted((a, b) => load(b.name) - load(a.name));

  const interrupt = async (startMs: number): Promise<{ readonly given: number; readonly zoneWide: number; readonly vanished: number }> => {
    const leaving = new Set<string>();
    const pending: Promise<void>[] = [];
    let [given, zoneWide, vanished] = [0, 0, 0];
    const take = (node: TestNode): void => {
      given += 1;
      leaving.add(node.name);
      pending.push(world.takeBack(node).finally(() => leaving.delete(node.name)));
    };
    for (let index = 0; index < NOTICES; index++) {
      await pause(Math.max(0, startMs + (index + 1) * NOTICE_EVERY_MS - Date.now()));
      const zone = ZONES[Math.floor((index * NOTICE_EVERY_MS) / BAD_ZONE_MS) % ZONES.length];
      const spot = world.nodes.filter((node) => node.capacityType === 'spot' && !leaving.has(node.name));
      const bad = spot.filter((node) => node.zone === zone);
      const there = busiest(bad.length === 0 ? spot : bad);
      if (index % ZONE_WIDE_EVERY === ZONE_WIDE_EVERY - 1) {
        zoneWide += 1;
        for (const node of there) take(node);
      } else if (there[0] !== undefined) take(there[0]);
      if (index % VANISH_EVERY === Math.floor(VANISH_EVERY / 2)) {
        vanished += 1;
        const node = busiest(world.nodes.filter((each) => !leaving.has(each.name)))[0];
        if (node?.capacityType === 'on-demand')
          onDemandLost.push(...world.trainings.running().flatMap((run) => (run.node === node.name ? run.jobId : [])));
        if (node !== undefined) pending.push(world.vanish(node));
      }
    }
    await Promise.all(pending);
    return { given, zoneWide, vanished };
  };

  const strike = async (startMs: number): Promise<void> => {
    const { apiServer } = world.plane;
    await pause(startMs + ARRIVE_MS * 0.4 - Date.now());
    await worker.kill();
    worker = await world.startWorker('worker-2');
    await pause(startMs + ARRIVE_MS * 0.65 - Date.now());
    if (apiServer === null || AWAY_MS === 0) return;
    const fromMs = Date.now();
    away = { fromMs, toMs: fromMs + AWAY_MS };
    await apiServer.stop();
    await pause(AWAY_MS);
    await apiServer.start();
    // Scheduler, kubelets and the rest of the cluster have to find their way back too: until then no pod of anybody's starts.
    await canaryRuns(world);
    away = { fromMs, toMs: Date.now() };
  };

  it(`brings ${JOBS} jobs through ${NOTICES} notices, none late that could have been on time`, { timeout: ARRIVE_MS + 1_200_000 }, async () => {
    const jobs = drawJobs(JOBS, ARRIVE_MS, chance);
    const startMs = Date.now();
    const arriving = Promise.all(
      jobs.map(async (job) => {
        await pause(startMs + job.atMs - Date.now());
        await submit(job);
      }),
    );
    const [happened] = await Promise.all([interrupt(startMs), strike(startMs), arriving]);
    const ids = new Set(idOf.values());
    const left = (): readonly string[] => [...ids].filter((id) => !world.trainings.ended.has(id));
    await until(
      () => left().length === 0,
      600_000,
      () => `${left().length} did not end: ${left().slice(0, 20).join(', ')}; ${world.tails()}`,
    );
    await until(
      async () => (await queue.records.live()).length === 0,
      120_000,
      () => `records still live; ${world.tails()}`,
    );
    const reports = (await Promise.all([...ids].map((id) => queue.records.reportOf(id)))).filter((report) => report !== null);
    const ended = [...world.trainings.ended.values()];
    const excuseOf = (jobId: string): number => {
      const lived = jobs.find((job) => idOf.get(job.name) === jobId);
      const fromMs = startMs + (lived?.atMs ?? 0);
      const toMs = world.trainings.ended.get(jobId)?.atMs ?? 0;
      const awayMs = fromMs < away.toMs && toMs > away.fromMs ? away.toMs - away.fromMs : 0;
      const onDemandDry = dry.dry.filter((launch) => launch.onDemand && launch.jobId === jobId).length;
      return excuseMs({ onDemandDry, onDemandLost: onDemandLost.filter((id) => id === jobId).length, awayMs }, COSTS);
    };
    const late = lateOnes(ended, excuseOf);
    const sum = totals(reports);
    const planned = await plannedUsd([...ids]);
    const startsOf = Map.groupBy(world.trainings.starts, ({ jobId }) => jobId);
    const zoneOf = (name: string): string => world.nodes.find((node) => node.name === name)?.zone ?? '';
    const third = [...startsOf].filter(([, starts]) => thirdMoves(starts, zoneOf, MOVE_WINDOW_MS - START_JITTER_MS) > 0);
    const moves = reports.reduce((all, report) => all + report.moves, 0);
    const redoneSeconds = ended.reduce((all, job) => all + job.redone, 0) / 10;
    const workSeconds = jobs.reduce((all, job) => all + job.workSeconds, 0);
    const onDemand = reports.reduce((all, report) => all + report.onDemandFallbackCostUsd, 0);
    print(
      `load: ${JOBS} jobs over ${ARRIVE_MS / 60_000} min (seed ${SEED}), ended ${((Date.now() - startMs) / 60_000).toFixed(1)} min after the first came`,
    );
    print(
      `load: ${happened.given} notices (${happened.zoneWide} zone-wide), ${happened.vanished} machines vanished, ${dry.dry.length} of ${dry.launches()} launches dry`,
    );
    print(`load: API server away for ${((away.toMs - away.fromMs) / 1000).toFixed(0)} s`);
    print(
      `load: ${sum.succeeded} of ${reports.length} succeeded; ${late.length} late, ${late.filter(unexcused).length} of them without an excuse: ${JSON.stringify(late)}`,
    );
    print(
      `load: ${sum.interruptions} interruptions, ${moves} moves, ${third.length} jobs with a third move: ${JSON.stringify(third.map(([jobId]) => jobId))}`,
    );
    print(`load: redone ${redoneSeconds.toFixed(1)} s of ${workSeconds} s of work (${((100 * redoneSeconds) / workSeconds).toFixed(2)} %)`);
    print(
      `load: cost ${sum.costUsd.toFixed(4)} USD (${onDemand.toFixed(4)} of it on demand); planned at submit ${planned.toFixed(4)} USD; all on demand, at once ${sum.onDemandCostUsd.toFixed(4)} USD`,
    );
    print(`load: worker RSS ${weightOf(programPid(worker)).rssMb.toFixed(1)} MB at the end`);
    print(`load: faults of training: ${JSON.stringify(world.trainings.faults)}`);
    for (const jobId of new Set([...late.filter(unexcused).map((each) => each.jobId), ...third.map(([id]) => id)])) print(await story(jobId));
    expect(reports.length).toBe(JOBS);
    expect(reports.filter(({ result }) => result !== 'succeeded').map(({ jobId, result }) => ({ jobId, result }))).toEqual([]);
    expect(late.filter(unexcused)).toEqual([]);
    expect(world.trainings.faults).toEqual([]);
    expect(third).toEqual([]);
    expect(happened.given).toBeGreaterThanOrEqual(NOTICES);
  });

  /** For a failure: what its record says, in seconds before its deadline. */
  async function story(jobId: string): Promise<string> {
    const events = (await queue.records.read(jobId))?.events ?? [];
    const first = events[0];
    const deadlineMs = first?.type === 'submitted' ? first.spec.deadlineMs : 0;
    const lines = events.map(({ type, atMs, ...rest }) => {
      const facts = Object.entries(rest).filter(([, value]) => typeof value !== 'object');
      return `  ${((deadlineMs - atMs) / 1000).toFixed(1).padStart(7)} ${type} ${facts.map(([name, value]) => `${name}=${String(value)}`).join(' ')}`;
    });
    const ran = world.trainings.starts
      .filter((start) => start.jobId === jobId)
      .map(({ node, atMs }) => `${node} at ${((deadlineMs - atMs) / 1000).toFixed(1)}`);
    return [`${jobId} (ran on ${ran.join(', ')})`, ...lines].join('\n');
  }

  /** What the first plan of each job expected it to cost. */
  async function plannedUsd(ids: readonly string[]): Promise<number> {
    let usd = 0;
    for (const id of ids) {
      const record = await queue.records.read(id);
      const first = record?.events.find((event) => event.type === 'planned' || event.type === 'launched');
      if (first?.type === 'planned' || first?.type === 'launched') usd += first.plan.expectedCostUsd ?? 0;
    }
    return usd;
  }

  it.skipIf(HELD === 0)(`holds ${HELD} pods: what the worker weighs, and how long a decision takes`, { timeout: 1_200_000 }, async () => {
    const { admin } = world.plane;
    const path = `/api/v1/namespaces/${NAMESPACE}/pods`;
    await admin.call('DELETE', `${path}?gracePeriodSeconds=0`);
    await until(async () => (await world.pods()).length === 0, 120_000, world.tails);
    // A worker of its own, with the periods of production.
    await worker.kill();
    const settings = join(world.plane.folder, 'production.yaml');
    writeFileSync(settings, '{}\n');
    worker = await world.startWorker('worker-3', {
      NERVE_CONFIG: settings,
      NERVE_SWEEP_SECONDS: '30',
      NERVE_NOTICE_SECONDS: '120',
      NERVE_MOVE_WINDOW_SECONDS: '3600',
    });
    const fromMs = Date.now();
    const deadlineMs = fromMs + 20 * 3_600_000;
    const names = Array.from({ length: HELD }, (_, i) => `held-${i}`);
    for (let at = 0; at < HELD; at += ABREAST) {
      await Promise.all(
        names.slice(at, at + ABREAST).map((name) => {
          // Below the spot price of every zone: held until the latest start.
          const pod = ready(name, 3600, deadlineMs);
          return world.create({ ...pod, metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, 'nerve.io/max-price': '0.01' } } });
        }),
      );
    }
    const createdMs = Date.now() - fromMs;
    const held = async (): Promise<number> => (await world.pods()).filter((pod) => pod.metadata.annotations?.['nerve.io/state'] === 'held').length;
    await until(async () => (await held()) >= HELD, 900_000, world.tails, 2000);
    const heldMs = Date.now() - fromMs;
    const pid = programPid(worker);
    const cpuBefore = cpuSecondsOf(pid);
    await pause(QUIET_MS);
    const share = (cpuSecondsOf(pid) - cpuBefore) / (QUIET_MS / 1000);
    const urgent: number[] = [];
    for (let index = 0; index < 5; index++) {
      const name = `urgent-${index}`;
      const sentMs = Date.now();
      await world.create(ready(name, 60, sentMs + 1_200_000));
      await until(async () => !isGated((await world.pods(`nerve.io/job-id=j-${name}`))[0]), 120_000, world.tails, 20);
      urgent.push(Date.now() - sentMs);
    }
    const { rssMb, anonymousMb } = weightOf(pid);
    print(
      `held: ${HELD} pods created in ${(createdMs / 1000).toFixed(1)} s; the last had its plan ${(heldMs / 1000).toFixed(1)} s after the first came`,
    );
    print(
      `held: worker RSS ${rssMb.toFixed(1)} MB, anonymous ${anonymousMb.toFixed(1)} MB; ${(100 * share).toFixed(1)} % of a core while nothing changes`,
    );
    print(`held: a new pod that must start now is let go after ${urgent.join(', ')} ms`);
    expect(Math.max(...urgent)).toBeLessThan(10_000);
    // The chart's limit.
    expect(rssMb).toBeLessThan(128 * 1.048_576);
  });
});

const unexcused = ({ lateSeconds, excusedSeconds }: Late): boolean => lateSeconds > excusedSeconds;
const isGated = (pod: Pod | undefined): boolean => pod === undefined || (pod.spec.schedulingGates ?? []).some(({ name }) => name === 'nerve.io/hold');

async function canaryRuns({ plane: { admin } }: World): Promise<void> {
  const path = '/api/v1/namespaces/default/pods';
  const pod = { metadata: { name: 'canary' }, spec: { containers: [{ name: 'main', image: 'none' }] } };
  const once = (call: Promise<Pod>): Promise<Pod | null> => call.catch(() => null);
  await until(
    async () =>
      ((await once(admin.call<Pod>('GET', `${path}/canary`))) ?? (await once(admin.call<Pod>('POST', path, pod))))?.status?.phase === 'Running',
    AWAY_LIMIT_MS,
    () => 'the cluster did not come back',
  );
}

/** As `nerve submit` leaves it: nothing is left to do for the webhook. */
function ready(name: string, workSeconds: number, deadlineMs: number) {
  const { metadata, spec } = adoptedPod(`j-${name}`, workSeconds, deadlineMs);
  return { metadata: { ...metadata, labels: { ...metadata.labels, [READY_LABEL]: 'yes' } }, spec };
}

/** As a user writes it. */
function labelled(name: string, workSeconds: number, deadlineMs: number) {
  const annotations = {
    'nerve.io/deadline': new Date(deadlineMs).toISOString(),
    'nerve.io/expected-duration': `${workSeconds}s`,
    'nerve.io/checkpoint-uri': `s3://bucket/${name}`,
  };
  const env = [{ name: 'TEST_STEPS', value: String(workSeconds * 10) }];
  return {
    metadata: { name, labels: { 'nerve.io/tier': 'async' }, annotations },
    spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'none', env }] },
  };
}
