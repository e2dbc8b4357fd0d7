// `nerve up`: one process that holds the simulated cloud and supervises the real ones (Redis, worker, an agent per node).
//
// What if it is killed? Its children see their stdin close and end; training processes go on in their own sessions. The next
// `nerve up` finds both by pid and start time, asks training processes for a last checkpoint, ends exactly those, and calls
// their machines lost: the jobs resume from their newest seals.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock, Log, SealLog } from '../../ports.ts';
import { identify, isAlive, type ProcessIdentity, signalIfAlive } from '../process/identity.ts';
import { type RunningRedis, startRedis } from '../redis-server/start.ts';
import { clockFrom } from '../system/clock.ts';
import { freePort } from '../system/free-port.ts';
import { type ChildSpec, endLeftovers, endWithin, supervise } from './children.ts';
import { type Cloud, type CloudNode, type CloudState, createCloud } from './cloud.ts';
import { serveCloud } from './cloud-server.ts';
import { type ImdsServer, startImds } from './imds-server.ts';
import { forgetEnvironment, type JobPaths } from './job-files.ts';
import { type SavedClock, startsAt } from './saved-clock.ts';
import { type TakenDown, takeDown } from './take-down.ts';
import { lock, readJson, type UpInfo, writeJson, writeUp } from './up-file.ts';
import { REGION } from './weather.ts';

export interface SupervisorOptions {
  readonly upFile: string;
  readonly clusterDir: string;
  readonly redisDir: string;
  readonly logsDir: string;
  /** Short private folder for sockets; null: a temporary one is made. */
  readonly runtimeDir: string | null;
  readonly jobs: JobPaths;
  readonly speed: number;
  /** Where the virtual clock starts; null: where it was left, or now. */
  readonly virtualStartMs: number | null;
  /** Of the simulated market. */
  readonly seed: string;
  readonly noticeRealMs: number;
  /** SIGTERM to SIGKILL for training processes. */
  readonly graceRealMs: number;
  /** To see what jobs go on from. */
  readonly sealLog: (uri: string) => Promise<SealLog>;
  /** A server to start, or the URL of one that runs. */
  readonly redis: { readonly program: string } | { readonly url: string };
  readonly workerCommand: readonly [string, ...string[]];
  readonly agentCommand: (node: string, imdsUrl: string) => readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

export interface LocalCluster {
  readonly info: UpInfo;
  readonly cloud: Cloud;
  /** Left by a killed `nerve up` and ended now. */
  readonly endedLeftovers: number;
  /** Asks what runs for a checkpoint, stops everything. Answers what the jobs that ran go on from; "nerve down" reads it with `lastTakenDown`. */
  stop(): Promise<TakenDown>;
  /** Settles when somebody asked for `nerve down`. */
  readonly shutDownAsked: Promise<void>;
}

const TICK_MS = 100;
const CLOCK_SAVE_MS = 1000;

const takenDownFile = (clusterDir: string): string => join(clusterDir, 'taken-down.json');

/** How the last "nerve up" ended; null: it was killed, or runs. */
export const lastTakenDown = (clusterDir: string): TakenDown | null => readJson<TakenDown>(takenDownFile(clusterDir));

/** @throws NerveError `refused` when another one runs. */
export async function startLocalCluster(options: SupervisorOptions): Promise<LocalCluster> {
  const { upFile, clusterDir, log } = options;
  const held = lock(upFile);
  mkdirSync(clusterDir, { recursive: true, mode: 0o700 });
  const childrenFile = join(clusterDir, 'children.json');
  const stateFile = join(clusterDir, 'state.json');
  const clockFile = join(clusterDir, 'clock.json');
  rmSync(takenDownFile(clusterDir), { force: true });
  const socketDir = options.runtimeDir ?? mkdtempSync(join(tmpdir(), 'nv-'));
  /** Ends what was started, last first, when the start fails half way. */
  const undo: (() => Promise<void> | void)[] = [];
  try {
    const anchors = {
      realMs: Date.now(),
      virtualMs: options.virtualStartMs ?? startsAt(readJson<SavedClock>(clockFile), options.speed, Date.now()),
      speed: options.speed,
    };
    const clock = clockFrom(anchors);
    const kept = readJson<CloudState>(stateFile) ?? { nodes: {}, attempts: {} };
    const before: CloudState = { ...kept, weather: { seed: options.seed, droughtFromMs: null } };
    const endedLeftovers = (await endLeftovers(childrenFile)) + (await endTraining(before, options.graceRealMs));
    const children = supervise(childrenFile, options.logsDir, log);
    const imds = new Map<string, ImdsServer>();
    let askDown: () => void = () => undefined;
    const shutDownAsked = new Promise<void>((resolve) => {
      askDown = resolve;
    });
    let stopping = false;
    const cloud = createCloud({
      clock,
      log,
      noticeRealMs: options.noticeRealMs,
      state: before,
      save: (state) => writeJson(stateFile, state),
      freePort,
      onNode: (node) => void startAgent(node),
      onNodeGone: (node, taken) => {
        imds.get(node)?.close();
        imds.delete(node);
        void children.stop(`agent-${node}`, taken ? 'SIGKILL' : 'SIGTERM');
      },
      onForget: (jobId) => forgetEnvironment(options.jobs, jobId),
      onShutDown: () => askDown(),
    });
    const startAgent = async (node: CloudNode): Promise<void> => {
      const server = await startImds(REGION, () => cloud.state().nodes[node.name] ?? null);
      if (stopping || cloud.state().nodes[node.name] === undefined) return server.close();
      imds.set(node.name, server);
      children.start({ name: `agent-${node.name}`, command: options.agentCommand(node.name, server.url), env: options.env });
    };
    cloud.loseEverything();
    const redis = await keepRedis(options, socketDir, (pid) => children.remember('redis', pid));
    undo.push(() => redis.stop());
    const cloudSocket = join(socketDir, 'cloud.sock');
    const server = await serveCloud(cloud, cloudSocket);
    undo.push(() => server.close());
    const me = identify(process.pid) ?? { pid: process.pid, startTime: '' };
    const info: UpInfo = { owner: me, cloudSocket, redisUrl: redis.url, clock: anchors };
    writeUp(upFile, info);
    const worker: ChildSpec = { name: 'worker', command: options.workerCommand, env: options.env };
    children.start(worker);
    const ticking = setInterval(() => cloud.tick(), TICK_MS);
    // As far ahead as it runs until the next time: if this process is killed, the next one begins no earlier than this one ended.
    const lead = CLOCK_SAVE_MS * (clock.speed - 1);
    const saveAhead = (): void => saveClock(clockFile, clock, lead);
    saveAhead();
    const saving = setInterval(saveAhead, CLOCK_SAVE_MS);
    return {
      info,
      cloud,
      endedLeftovers,
      shutDownAsked,
      stop: async () => {
        stopping = true;
        clearInterval(ticking);
        clearInterval(saving);
        await children.stop('worker', 'SIGTERM');
        await children.stopAll();
        // Nobody starts anything any more, and what an agent was just starting is known.
        const { jobs, graceRealMs, sealLog } = options;
        const takenDown = await takeDown(cloud, { clock, jobs, graceRealMs, sealLog });
        saveClock(clockFile, clock);
        tell(clusterDir, takenDown);
        server.close();
        for (const one of imds.values()) one.close();
        await redis.stop();
        rmSync(upFile, { force: true });
        rmSync(childrenFile, { force: true });
        if (options.runtimeDir === null) rmSync(socketDir, { recursive: true, force: true });
        held.release();
        return takenDown;
      },
    };
  } catch (error) {
    for (const end of undo.toReversed()) await end();
    if (options.runtimeDir === null) rmSync(socketDir, { recursive: true, force: true });
    held.release();
    throw error;
  }
}

/** On a full disk the next start goes on from an older instant: no reason to end. */
function saveClock(file: string, clock: Clock, leadMs = 0): void {
  try {
    writeJson(file, { virtualMs: clock.nowMs() + leadMs } satisfies SavedClock);
  } catch {
    // The next one, in a second.
  }
}

/** For "nerve down", which then has nothing to tell on a full disk. */
function tell(clusterDir: string, takenDown: TakenDown): void {
  try {
    writeJson(takenDownFile(clusterDir), takenDown);
  } catch {
    // It says only that Nerve has stopped.
  }
}

/** Training processes that no agent tends: asked for a last checkpoint, then ended. */
async function endTraining(state: CloudState, graceRealMs: number): Promise<number> {
  const left: ProcessIdentity[] = Object.values(state.attempts).flatMap((a) =>
    a.seen.endedAtMs === null && a.process !== null && isAlive(a.process) ? [a.process] : [],
  );
  for (const identity of left) signalIfAlive(identity, 'SIGTERM', true);
  await endWithin(left, graceRealMs, true);
  return left.length;
}

/** Redis, started again whenever it dies. */
async function keepRedis(
  options: SupervisorOptions,
  socketDir: string,
  onPid: (pid: number) => void,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const { redis } = options;
  if ('url' in redis) return { url: redis.url, stop: async () => undefined };
  let stopped = false;
  const start = async (): Promise<RunningRedis> => {
    const running = await startRedis({ program: redis.program, dataDir: options.redisDir, socketDir, detached: true });
    if (running.child.pid !== undefined) onPid(running.child.pid);
    running.child.once('exit', () => {
      if (!stopped) void restart();
    });
    return running;
  };
  const restart = async (): Promise<void> => {
    options.log.warn({}, 'Redis died; starting it again');
    for (let pauseMs = 100; !stopped; pauseMs = Math.min(pauseMs * 2, 5000)) {
      try {
        current = await start();
        return;
      } catch (error) {
        options.log.error({ error: error instanceof Error ? error.message : String(error) }, 'Redis does not start; trying again');
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  };
  let current = await start();
  return {
    url: current.socketPath,
    stop: async () => {
      stopped = true;
      await current.stop();
    },
  };
}
