// Starts the embedded Redis: a unix socket, nothing on the network, append-only, never evicting. Each write is the operating system's before it is
// acknowledged, so a `kill -9` loses nothing; a power cut loses at most the last second (keep-synced.ts).

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { NerveError } from '../../engine/errors.ts';
import { keepSynced } from './keep-synced.ts';

export interface RedisServerOptions {
  readonly program: string;
  /** Append-only file; created 0700. */
  readonly dataDir: string;
  /** Short 0700 folder for the socket. */
  readonly socketDir: string;
  /** A process group of its own, out of reach of the terminal's Ctrl-C. */
  readonly detached?: boolean;
  /** How long it may say nothing. While it says that it loads its file, however long that takes, it is waited for. */
  readonly patienceMs?: number;
}

export interface RunningRedis {
  readonly socketPath: string;
  readonly child: ChildProcess;
  /** SIGTERM: Redis writes everything and exits. */
  stop(): Promise<void>;
}

/** Node cuts longer unix socket paths silently. */
const MAX_SOCKET_PATH_BYTES = 100;
const PATIENCE_MS = 10_000;

/** @throws NerveError `fatal` when it does not answer in time, with what it printed. */
export async function startRedis(options: RedisServerOptions): Promise<RunningRedis> {
  const { program, dataDir, socketDir, detached = false, patienceMs = PATIENCE_MS } = options;
  const socketPath = join(socketDir, 'redis.sock');
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES) {
    throw new NerveError('usage', `The socket path ${socketPath} is longer than ${MAX_SOCKET_PATH_BYTES} bytes.`, {
      hint: 'Set XDG_RUNTIME_DIR to a shorter folder.',
    });
  }
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await mkdir(socketDir, { recursive: true, mode: 0o700 });
  await rm(socketPath, { force: true });
  const child = spawn(program, redisArguments(dataDir, socketPath), { stdio: ['ignore', 'pipe', 'pipe'], detached });
  let printed = '';
  const keep = (chunk: Buffer): void => {
    printed = (printed + chunk.toString()).slice(-2000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.once('error', (error) => keep(Buffer.from(error.message)));
  let patientUntil = performance.now() + patienceMs;
  for (let answer = await ping(socketPath); answer !== 'ready'; answer = await ping(socketPath)) {
    // A file of a million records takes longer than any patience; to kill it then would be to kill it each time.
    if (answer === 'loading') patientUntil = performance.now() + patienceMs;
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > patientUntil) {
      child.kill('SIGKILL');
      throw new NerveError('fatal', `Redis (${program}) did not start.`, { hint: `It printed: ${printed.trim() || 'nothing'}` });
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const letGo = keepSynced(dataDir);
  child.once('exit', letGo);
  return {
    socketPath,
    child,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function redisArguments(dataDir: string, socketPath: string): string[] {
  const settings: Readonly<Record<string, string>> = {
    port: '0',
    unixsocket: socketPath,
    unixsocketperm: '700',
    dir: dataDir,
    appendonly: 'yes',
    appendfsync: 'no',
    'maxmemory-policy': 'noeviction',
    hz: '100',
    save: '',
    'stream-node-max-bytes': '512',
    daemonize: 'no',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** PING over the raw protocol, so that this room needs no client. */
function ping(socketPath: string): Promise<'ready' | 'loading' | 'silent'> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const done = (answer: 'ready' | 'loading' | 'silent'): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => done('silent'));
    socket.once('error', () => done('silent'));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (data) => {
      const answer = data.toString();
      if (answer.startsWith('+PONG')) done('ready');
      else done(answer.startsWith('-LOADING') ? 'loading' : 'silent');
    });
  });
}
