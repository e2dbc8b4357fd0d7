// A program of the test bed: started with its output in a file, ended by its own child handle and never by name. A test process that
// dies takes it along: each is started under a shell that ends it when the pipe from the test closes.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface Daemon {
  readonly name: string;
  readonly child: ChildProcess;
  readonly logFile: string;
  /** TERM, then KILL; resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
  kill(): Promise<void>;
}

/** `read` ends when the test's end of the pipe closes, however that came about. */
const GUARD =
  '"$@" & child=$!; trap "kill -TERM $child" TERM; (read _; kill -KILL $child 2>/dev/null) <&3 & guard=$!; exec 3<&-; while kill -0 $child 2>/dev/null; do wait $child; done; kill $guard 2>/dev/null';

export function daemon(name: string, program: string, args: readonly string[], logFile: string, env: NodeJS.ProcessEnv = process.env): Daemon {
  const output = openSync(logFile, 'a', 0o600);
  const child = spawn('/bin/sh', ['-c', GUARD, name, program, ...args], { stdio: ['ignore', output, output, 'pipe'], env });
  closeSync(output);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.once('error', () => undefined);
  const end = async (first: () => void, graceMs: number): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    first();
    // Closing the pipe is the KILL of the program itself; a signal would only reach the guard.
    const timer = setTimeout(() => closePipe(child), graceMs);
    await gone;
    clearTimeout(timer);
  };
  return {
    name,
    child,
    logFile,
    stop: (graceMs = 5000) => end(() => child.kill('SIGTERM'), graceMs),
    kill: () => end(() => closePipe(child), 0),
  };
}

const closePipe = (child: ChildProcess): void => {
  const pipe = child.stdio[3];
  if (pipe !== null && pipe !== undefined) pipe.destroy();
};

export const logTail = ({ logFile }: Daemon): string => readFileSync(logFile, 'utf8').slice(-2000);

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
