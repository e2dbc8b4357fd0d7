// Starts a tool in a process group of its own, with an end: whatever hangs is killed, group and all, so that the gate always
// reaches its last line.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';

export interface Ran {
  readonly code: number;
  /** stdout and stderr, as they came. */
  readonly output: string;
  readonly seconds: number;
}

export interface RunOptions {
  /** Added to this process's own; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Print while it runs; otherwise only the answer holds it. */
  readonly echo?: boolean;
  readonly limitSeconds?: number;
}

export function run(command: string, args: readonly string[], { env = {}, cwd, echo = false, limitSeconds = 1800 }: RunOptions = {}): Promise<Ran> {
  const startedMs = performance.now();
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
    if (echo) process.stdout.write(chunk);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const killGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Already gone.
    }
  };
  const limit = setTimeout(() => {
    output += `\n${command} was killed: it ran longer than ${limitSeconds} s.\n`;
    killGroup();
  }, limitSeconds * 1000);
  const interrupted = (): never => {
    killGroup();
    process.exit(130);
  };
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
  return new Promise((resolve) => {
    const done = (code: number): void => {
      clearTimeout(limit);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      resolve({ code, output, seconds: (performance.now() - startedMs) / 1000 });
    };
    child.once('error', (error) => {
      output += `${command}: ${error.message}\n`;
      done(127);
    });
    child.once('close', (code, signal) => done(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
