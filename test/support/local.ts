// A real local cluster for a test: `nerve up` as a process of its own, in a temporary state folder, on a fast clock.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { readJson, readUp, type UpInfo } from '../../src/adapters/local/up-file.ts';
import type { CloudState } from '../../src/adapters/local/cloud.ts';
import type { ProcessIdentity } from '../../src/adapters/process/identity.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type Paths, pathsFor } from '../../src/config/paths.ts';
import { type Session, sessionOn } from '../../src/wire.ts';

const run = promisify(execFile);
const NERVE = resolve('bin/nerve');
export const TRAINER = resolve('examples/train_stdlib.py');

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Local {
  readonly paths: Paths;
  readonly env: Record<string, string | undefined>;
  readonly folder: string;
  up: ChildProcess;
  /** Runs `nerve ...` to its end; never throws for an exit code. */
  nerve(...args: readonly string[]): Promise<Ran>;
  session(): Promise<Session>;
  /** pid and start time of a supervised process: `worker`, `redis`, `agent-...`. */
  children(): Record<string, ProcessIdentity>;
  cloudState(): CloudState;
  startUp(): Promise<void>;
  /** What the newest `nerve up` has printed. */
  printed(): string;
  stop(): Promise<void>;
}

export interface LocalOptions {
  readonly speed?: number;
  readonly seed?: string;
  /** Called with the cluster's folder before anything is written to it, and before it is removed. */
  readonly onFolder?: (folder: string) => void;
  readonly onRemove?: () => void;
}

export async function startLocal(options: LocalOptions = {}): Promise<Local> {
  const folder = mkdtempSync(join(tmpdir(), 'nl-'));
  options.onFolder?.(folder);
  const state = join(folder, 'state');
  // One Redis for all tests of this machine, fetched once.
  const env: Record<string, string | undefined> = { ...process.env, NERVE_STATE_DIR: state, NERVE_CACHE_DIR: join(homedir(), '.cache', 'nerve') };
  for (const name of ['NERVE_REDIS_URL', 'NERVE_TARGET', 'XDG_RUNTIME_DIR']) delete env[name];
  const paths = pathsFor(env);
  const sessions: Session[] = [];
  let printed = '';
  const local: Local = {
    paths,
    env,
    folder,
    up: undefined as unknown as ChildProcess,
    nerve: async (...args) => {
      try {
        const { stdout, stderr } = await run(NERVE, [...args], { env, cwd: folder, timeout: 60_000 });
        return { code: 0, stdout, stderr };
      } catch (error) {
        const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
        return { code: typeof code === 'number' ? code : -1, stdout, stderr };
      }
    },
    session: async () => {
      const session = await sessionOn(info(paths), { config: loadConfig({ env, cwd: folder }).config, paths });
      sessions.push(session);
      return session;
    },
    children: () => readJson<Record<string, ProcessIdentity>>(join(paths.clusterDir, 'children.json')) ?? {},
    cloudState: () =>
      readJson<CloudState>(join(paths.clusterDir, 'state.json')) ?? { weather: { seed: '', droughtFromMs: null }, nodes: {}, attempts: {} },
    startUp: async () => {
      local.up = spawn(NERVE, ['up', '--speed', String(options.speed ?? 600), '--seed', options.seed ?? 'test'], {
        env,
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
        // A process group of its own, as in a terminal: Ctrl-C goes to all of it.
        detached: true,
      });
      printed = '';
      local.up.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      local.up.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      await until(
        () => printed.includes('Nerve is up.') || local.up.exitCode !== null,
        30_000,
        () => `"nerve up" did not start: ${printed}`,
      );
      if (local.up.exitCode !== null) throw new Error(`"nerve up" ended: ${printed}`);
    },
    printed: () => printed,
    stop: async () => {
      for (const session of sessions) await session.close().catch(() => undefined);
      if (local.up.exitCode === null && local.up.signalCode === null) {
        const gone = once(local.up, 'exit');
        local.up.kill('SIGTERM');
        await gone;
      }
      options.onRemove?.();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await local.startUp();
  return local;
}

function info(paths: Paths): UpInfo {
  const found = readUp(paths.upFile);
  if (found === null) throw new Error('nerve up does not run');
  return found;
}

/** Waits for `condition`; fails with what `complaint` says then. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  complaint: () => string = () => 'it did not happen',
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(complaint());
    await new Promise((r) => setTimeout(r, 20));
  }
}
