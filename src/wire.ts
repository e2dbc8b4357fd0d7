// The only file that knows which adapter fills which port. Heavy rooms (bullmq, the supervisor) are imported when they are
// needed, so that `nerve --help` costs nothing.

import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clockFrom } from './adapters/system/clock.ts';
import { createLog, silentLog } from './adapters/system/log.ts';
import { withModels } from './adapters/forecasts/with-models.ts';
import { readUp, type UpInfo } from './adapters/local/up-file.ts';
import type { Config } from './config/schema.ts';
import { environment } from './config/environment.ts';
import { type Loaded, loadConfig } from './config/load.ts';
import { logLevel } from './config/log-level.ts';
import { type Paths, pathsFor, runtimeDir } from './config/paths.ts';
import { engineSettings, timingFor } from './config/timing.ts';
import { NerveError } from './engine/errors.ts';
import type { EngineSettings } from './engine/snapshot.ts';
import type { LocalCluster } from './adapters/local/supervisor.ts';
import type { TakenDown } from './adapters/local/take-down.ts';
import type { Machine } from './adapters/local/look-around.ts';
import type { CloudApi } from './adapters/local/cloud-api.ts';
import type { Clock, DrillResult, Log, Market, SealLog } from './ports.ts';
import type { OpenQueue } from './queue/open.ts';

export { chance } from './adapters/local/chance.ts';
export type { LocalCluster } from './adapters/local/supervisor.ts';
export type { TakenDown } from './adapters/local/take-down.ts';

/** Where the runnable examples are: beside src/ in a checkout, beside dist/ in an installed package. */
export const examplesDir = (): string => join(dirname(fileURLToPath(import.meta.url)), '..', 'examples');

/** What a command works with: one target, opened. */
export interface Session {
  readonly target: 'local';
  /** The first line of every answer. */
  readonly label: string;
  readonly clock: Clock;
  readonly market: Market;
  readonly settings: EngineSettings;
  readonly queue: OpenQueue;
  readonly cloud: CloudApi;
  readonly paths: Paths;
  readonly config: Config;
  /** This shell's environment, kept for the job's processes in a private file. */
  readonly keepEnvironment: (jobId: string) => Promise<void>;
  readonly forgetEnvironment: (jobId: string) => Promise<void>;
  close(): Promise<void>;
}

export interface Where {
  readonly config: Config;
  readonly sources: Loaded['sources'];
  readonly paths: Paths;
}

export interface TargetFlags {
  readonly target?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
}

/** A context or a namespace means a cluster. */
export function where(flags: TargetFlags = {}): Where {
  const env = environment();
  const { context, namespace } = flags;
  const named = context !== undefined || namespace !== undefined;
  if (named && flags.target === 'local')
    throw new NerveError('usage', '--target local has no context and no namespace.', { hint: 'Leave out --target, or --context and --namespace.' });
  const target = flags.target ?? (named ? 'cluster' : undefined);
  const { config, sources } = loadConfig({ env, flags: { ...(target === undefined ? {} : { target }), cluster: { context, namespace } } });
  return { config, sources, paths: pathsFor(env) };
}

/** This machine's Nerve. @throws NerveError `unreachable` (exit 3) when it does not run. */
export async function openSession(at: Where): Promise<Session> {
  const info = readUp(at.paths.upFile);
  if (info === null)
    throw new NerveError('unreachable', 'Nerve does not run on this machine.', {
      hint: 'Start it here with "nerve up" (in another terminal, or with --detach).',
    });
  return sessionOn(info, at);
}

/** Looks at a job's checkpoints with this user's own rights. */
export async function openSealLog(uri: string): Promise<SealLog> {
  if (!uri.startsWith('s3:')) return (await import('./adapters/local/seal-files.ts')).fileSealLog(uri);
  const { s3SealLog } = await import('./adapters/aws/s3.ts');
  const env = environment();
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? null;
  // Another service than Amazon's has no regions to find.
  const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'] ?? null;
  return s3SealLog(uri, { endpoint, region: region ?? (endpoint === null ? null : 'us-east-1') });
}

/** A drill of the job's running attempt; null when none runs. Its hook is on this machine, so no agent is needed. */
export async function drillHere({ cloud, clock }: Session, jobId: string, nonce: string): Promise<DrillResult | null> {
  const running = (await cloud.attempts({ jobId })).find((attempt) => attempt.phase === 'running' && attempt.nodeName !== null);
  if (running === undefined || running.nodeName === null) return null;
  const mine = (await cloud.node({ node: running.nodeName })).attempts.find(({ seen }) => seen.name === running.name);
  if (mine === undefined) return null;
  const [{ drill }, { httpHooks }] = await Promise.all([import('./agent/drill.ts'), import('./adapters/hooks/http.ts')]);
  return drill(httpHooks(), mine.hook, nonce, clock);
}

/** This machine, for the doctor. A Redis is found, never fetched for that. */
export async function lookAround({ config, paths }: Where): Promise<Machine & { readonly redis: RedisLook; readonly up: boolean }> {
  const { lookAtMachine } = await import('./adapters/local/look-around.ts');
  const redis = await lookForRedis(config, paths).catch((error: unknown) => {
    if (error instanceof NerveError) return { refused: error.message, fix: error.hint ?? 'Try again.' };
    throw error;
  });
  return { ...(await lookAtMachine(paths.state)), redis, up: isUp(paths) };
}

type RedisLook = { readonly path: string; readonly from: string } | { readonly refused: string; readonly fix: string };

async function lookForRedis(config: Config, paths: Paths): Promise<RedisLook> {
  if (config.redis.url !== null) {
    await checkForeignRedis(config.redis.url, silentLog);
    return { path: config.redis.url.replace(/:[^:@/]*@/, ':***@'), from: 'redis.url' };
  }
  const { redisAtHand } = await import('./adapters/redis-server/find.ts');
  const found = await redisAtHand({ cacheDir: paths.cache, pathVariable: environment()['PATH'] ?? '' });
  return found ?? { path: 'none yet', from: 'pip, fetched by the first "nerve up"' };
}

/** What reports read. */
export type OpenRecords = OpenQueue['records'];

/** The records of a cluster's Redis, for its operator. */
export async function openClusterRecords(url: string): Promise<{ readonly records: OpenRecords; close(): Promise<void> }> {
  const { openQueue } = await import('./queue/open.ts');
  const clock = clockFrom({ realMs: 0, virtualMs: 0, speed: 1 });
  const queue = await openQueue({ target: { url }, patience: 'fail-fast', clock, log: silentLog });
  return { records: queue.records, close: () => queue.close() };
}

export async function sessionOn(info: UpInfo, { config, paths }: Omit<Where, 'sources'>): Promise<Session> {
  const clock = clockFrom(info.clock);
  const [{ openQueue }, { cloudClient }] = await Promise.all([import('./queue/open.ts'), import('./adapters/local/cloud-client.ts')]);
  const { simulatedMarket } = await import('./adapters/local/market.ts');
  const cloud = cloudClient(info.cloudSocket);
  const queue = await openQueue({ target: { url: info.redisUrl }, patience: 'fail-fast', clock, log: silentLog });
  return {
    target: 'local',
    label: info.clock.speed === 1 ? 'this machine (simulated market)' : `this machine (simulated market, clock x${info.clock.speed})`,
    clock,
    market: withModels(
      simulatedMarket(() => cloud.weather({}), clock),
      config.forecast,
      clock,
      silentLog,
    ),
    settings: engineSettings(config, info.clock.speed),
    queue,
    cloud,
    paths,
    config,
    keepEnvironment: async (jobId) => (await import('./adapters/local/job-files.ts')).keepEnvironment(paths, jobId, environment()),
    forgetEnvironment: async (jobId) => (await import('./adapters/local/job-files.ts')).forgetEnvironment(paths, jobId),
    close: () => queue.close(),
  };
}

export interface UpOptions {
  readonly speed: number;
  readonly seed: string;
  readonly virtualStartMs: number | null;
  readonly log: Log;
  /** State folder of its own (the demo); null: the user's. */
  readonly paths: Paths;
  readonly config: Config;
}

/** Process id of this user's running `nerve up`, or null. */
export const upPid = (paths: Paths): number | null => readUp(paths.upFile)?.owner.pid ?? null;
export const isUp = (paths: Paths): boolean => upPid(paths) !== null;

/** What the jobs go on from that the last "nerve up" ended; null: it was killed, or runs. */
export async function lastTakenDown(paths: Paths): Promise<TakenDown | null> {
  return (await import('./adapters/local/supervisor.ts')).lastTakenDown(paths.clusterDir);
}

/** Takes away private files of jobs that were never taken. */
export async function tidy(cluster: LocalCluster, at: Omit<Where, 'sources'>): Promise<void> {
  const session = await sessionOn(cluster.info, at);
  try {
    const { forgetStrayEnvironments } = await import('./adapters/local/job-files.ts');
    forgetStrayEnvironments(at.paths.jobsDir, new Set(await session.queue.records.live()), STRAY_AFTER_MS);
  } finally {
    await session.close();
  }
}

const STRAY_AFTER_MS = 600_000;

/** How many jobs have not ended. */
export async function countJobs(cluster: LocalCluster, at: Omit<Where, 'sources'>): Promise<number> {
  const session = await sessionOn(cluster.info, at);
  try {
    return (await session.queue.records.live()).length;
  } finally {
    await session.close();
  }
}

/** The supervisor's own log: its terminal is for people. */
export function createFileLog(paths: Paths): Log {
  mkdirSync(paths.logsDir, { recursive: true, mode: 0o700 });
  return createLog('up', logLevel(environment()), join(paths.logsDir, 'up.log'));
}

/** Redis first: one that cannot be had is found before anything starts. */
export async function findRedis(
  config: Config,
  paths: Paths,
): Promise<{ readonly url: string } | { readonly program: string; readonly from: string }> {
  if (config.redis.url !== null) return { url: config.redis.url };
  const { findRedisServer } = await import('./adapters/redis-server/find.ts');
  const { path, from } = await findRedisServer({ cacheDir: paths.cache, pathVariable: environment()['PATH'] ?? '' });
  return { program: path, from };
}

/** The program that runs now, for the processes that it starts. */
const entry = (): string => process.argv[1] ?? join(dirname(fileURLToPath(import.meta.url)), 'cli.js');

export async function startUp(options: UpOptions): Promise<LocalCluster> {
  const { paths, config, speed } = options;
  const { startLocalCluster } = await import('./adapters/local/supervisor.ts');
  const redis = await findRedis(config, paths);
  if ('url' in redis) await checkForeignRedis(redis.url, options.log);
  const timing = timingFor(speed);
  const nerve = [process.execPath, ...process.execArgv, entry()] as const;
  return startLocalCluster({
    ...paths,
    runtimeDir: runtimeDir(environment()),
    jobs: paths,
    speed,
    virtualStartMs: options.virtualStartMs,
    seed: options.seed,
    noticeRealMs: timing.noticeRealMs,
    graceRealMs: timing.graceRealMs,
    sealLog: openSealLog,
    redis,
    workerCommand: [...nerve, 'worker', '--follow-stdin'],
    agentCommand: (node, imdsUrl) => [...nerve, 'agent', '--follow-stdin', '--node', node, '--imds', imdsUrl],
    env: { ...environment(), NERVE_STATE_DIR: paths.state, NERVE_CACHE_DIR: paths.cache },
    log: options.log,
  });
}

async function checkForeignRedis(url: string, log: Log): Promise<void> {
  const { openQueue } = await import('./queue/open.ts');
  const queue = await openQueue({ target: { url }, patience: 'fail-fast', clock: clockFrom({ realMs: 0, virtualMs: 0, speed: 1 }), log });
  await queue.close();
}

/** The worker of the local cluster; runs until aborted. */
export async function runLocalWorker(at: Where, signal: AbortSignal): Promise<void> {
  const info = needUp(at.paths);
  const clock = clockFrom(info.clock);
  const log = createLog('worker', logLevel(environment()));
  const [{ openQueue }, { cloudClient, localCluster }, { simulatedMarket }, { runWorker }] = await Promise.all([
    import('./queue/open.ts'),
    import('./adapters/local/cloud-client.ts'),
    import('./adapters/local/market.ts'),
    import('./worker/run.ts'),
  ]);
  const queue = await openQueue({ target: { url: info.redisUrl }, patience: 'wait', clock, log, signal }).catch((error: unknown) => {
    if (signal.aborted) return null;
    throw error;
  });
  if (queue === null) return;
  const { records, alarms, leadership } = queue;
  const cloud = cloudClient(info.cloudSocket);
  const timing = timingFor(info.clock.speed);
  const market = withModels(
    simulatedMarket(() => cloud.weather({}), clock),
    at.config.forecast,
    clock,
    log,
  );
  await runWorker(
    { records, alarms, leadership, cluster: localCluster(cloud), market, clock, log },
    { settings: engineSettings(at.config, info.clock.speed), sweepRealMs: timing.sweepRealMs, marketTickRealMs: timing.marketTickRealMs },
    signal,
  );
  await queue.close();
}

/** The agent of one node of the local cluster, with the node's kubelet; runs until aborted. */
export async function runLocalAgent(at: Where, node: string, imdsUrl: string, signal: AbortSignal): Promise<void> {
  const info = needUp(at.paths);
  const clock = clockFrom(info.clock);
  const log = createLog('agent', logLevel(environment()));
  const [{ cloudClient, localNodeHost }, { instanceMetadata }, { httpHooks }, { runKubelet }, { runAgent }] = await Promise.all([
    import('./adapters/local/cloud-client.ts'),
    import('./adapters/aws/imds.ts'),
    import('./adapters/hooks/http.ts'),
    import('./adapters/local/kubelet.ts'),
    import('./agent/run.ts'),
  ]);
  const cloud = cloudClient(info.cloudSocket);
  const timing = timingFor(info.clock.speed);
  const ports = { metadata: instanceMetadata(imdsUrl), host: localNodeHost(cloud, node), hooks: httpHooks(), clock, log };
  await Promise.all([
    runAgent(ports, { pollRealMs: timing.agentPollRealMs, progressRealMs: timing.progressRealMs, uncordonAfterMs: UNCORDON_AFTER_MS }, signal),
    runKubelet(
      {
        cloud,
        node,
        clock,
        log,
        paths: at.paths,
        pollRealMs: KUBELET_POLL_MS,
        graceRealMs: timing.graceRealMs,
        checkpointEveryRealMs: timing.checkpointEveryRealMs,
      },
      signal,
    ),
  ]);
}

const UNCORDON_AFTER_MS = 600_000;
const KUBELET_POLL_MS = 200;

function needUp(paths: Paths): UpInfo {
  const info = readUp(paths.upFile);
  if (info === null)
    throw new NerveError('unreachable', 'There is no running "nerve up" to work for.', {
      hint: 'This command is started by "nerve up"; start that.',
    });
  return info;
}
