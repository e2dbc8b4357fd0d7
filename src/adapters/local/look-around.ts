// What the doctor wants to know of this machine. Looks only: no folder is made, nothing is fetched.

import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Machine {
  readonly node: string;
  readonly python: string | null;
  readonly stateDir: string;
  readonly stateMode: number | null;
  readonly writable: boolean;
  readonly freeBytes: number | null;
}

export async function lookAtMachine(stateDir: string): Promise<Machine> {
  const there = nearest(stateDir);
  const disk = statfsSync(there);
  return {
    node: process.versions.node,
    python: await pythonVersion(),
    stateDir,
    stateMode: existsSync(stateDir) ? statSync(stateDir).mode & 0o777 : null,
    writable: mayWrite(there),
    freeBytes: disk.bavail * disk.bsize,
  };
}

/** The folder itself, or the nearest one above it that exists: it would be made there. */
const nearest = (path: string): string => (existsSync(path) || dirname(path) === path ? path : nearest(dirname(path)));

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function pythonVersion(): Promise<string | null> {
  return new Promise((resolve) => {
    execFile('python3', ['-c', 'import platform; print(platform.python_version())'], { timeout: 10_000 }, (error, out) =>
      resolve(error === null ? out.trim() : null),
    );
  });
}
