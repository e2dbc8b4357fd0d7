// Processes that `nerve up` supervises: started again with back-off when they die, remembered on disk by pid and start time, so
// that the next `nerve up` ends exactly those that a killed one left behind.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../ports.ts';
import { identify, isAlive, type ProcessIdentity, signalIfAlive } from '../process/identity.ts';
import { readJson, writeJson } from './up-file.ts';

export interface ChildSpec {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Children {
  start(spec: ChildSpec): void;
  /** Ends it and does not start it again. */
  stop(name: string, signal: NodeJS.Signals): Promise<void>;
  stopAll(): Promise<void>;
  /** Remembers a process that is started elsewhere (Redis) in the same file. */
  remember(name: string, pid: number): void;
}

const BACKOFF_MS = [100, 200, 500, 1000, 2000, 5000] as const;
/** A child that lived this long is started again at once. */
const SETTLED_MS = 10_000;
const STOP_PATIENCE_MS = 5000;

export function supervise(file: string, logsDir: string, log: Log): Children {
  const running = new Map<string, { child: ChildProcess; stopping: boolean }>();
  const identities = new Map<string, ProcessIdentity>();
  mkdirSync(logsDir, { recursive: true, mode: 0o700 });

  const remember = (name: string, pid: number | undefined): void => {
    const identity = pid === undefined ? null : identify(pid);
    if (identity === null) identities.delete(name);
    else identities.set(name, identity);
    write();
  };
  /** On a full disk the file is old: what it misses ends by itself with this process (its stdin closes), or is Redis and stays known. */
  const write = (): void => {
    try {
      writeJson(file, Object.fromEntries(identities));
    } catch (error) {
      log.error({ error: error instanceof Error ? error.message : String(error) }, 'cannot write down which processes run');
    }
  };
  /** Better a child without a log than no child. */
  const logOf = (name: string): number | 'ignore' => {
    try {
      return openSync(join(logsDir, `${name}.log`), 'a', 0o600);
    } catch {
      return 'ignore';
    }
  };

  const launch = (spec: ChildSpec, failures: number): void => {
    const output = logOf(spec.name);
    const startedMs = performance.now();
    // The child's stdin is a pipe that closes when this process dies, however it dies: the child then ends by itself.
    // A group of its own: Ctrl-C is for this process, which ends its children in order.
    const child = spawn(spec.command[0], spec.command.slice(1), { env: spec.env, stdio: ['pipe', output, output], detached: true });
    if (output !== 'ignore') closeSync(output);
    const entry = { child, stopping: false };
    running.set(spec.name, entry);
    remember(spec.name, child.pid);
    child.stdin?.on('error', () => undefined);
    child.on('error', (error) => log.error({ child: spec.name, error: error.message }, 'cannot start'));
    child.on('exit', (code, signal) => {
      if (entry.stopping) return;
      const next = performance.now() - startedMs > SETTLED_MS ? 0 : failures;
      log.warn({ child: spec.name, code, signal }, 'died; starting it again');
      setTimeout(
        () => {
          if (!entry.stopping && running.get(spec.name) === entry) launch(spec, next + 1);
        },
        BACKOFF_MS[Math.min(next, BACKOFF_MS.length - 1)],
      );
    });
  };

  const stop = async (name: string, signal: NodeJS.Signals): Promise<void> => {
    const entry = running.get(name);
    if (entry === undefined) return;
    entry.stopping = true;
    running.delete(name);
    const { child } = entry;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill(signal);
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS);
      await exited;
      clearTimeout(killer);
    }
    identities.delete(name);
    write();
  };

  return {
    start: (spec) => launch(spec, 0),
    stop,
    stopAll: async () => {
      await Promise.all([...running.keys()].map((name) => stop(name, 'SIGTERM')));
    },
    remember,
  };
}

/** Ends what a killed `nerve up` left behind; answers how many there were. */
export async function endLeftovers(file: string): Promise<number> {
  const left = Object.values(readJson<Record<string, ProcessIdentity>>(file) ?? {}).filter(isAlive);
  for (const identity of left) signalIfAlive(identity, 'SIGTERM');
  await endWithin(left, STOP_PATIENCE_MS, false);
  return left.length;
}

/** Waits for processes that were asked to end; those that do not are killed. */
export async function endWithin(processes: readonly ProcessIdentity[], patienceMs: number, group: boolean): Promise<void> {
  const untilMs = performance.now() + patienceMs;
  while (performance.now() < untilMs && processes.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 50));
  for (const identity of processes) signalIfAlive(identity, 'SIGKILL', group);
}
