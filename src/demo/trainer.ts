// Finds Python and the trainer that the demo runs: PyTorch's if it can be imported, else the pure-Python one. Everything that could
// be missing is found here, before anything starts.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NerveError } from '../engine/errors.ts';

const run = promisify(execFile);
const MIN_PYTHON = [3, 9] as const;
const PROBE = `import sys
try:
    import torch
    found = "pytorch"
except Exception:
    found = "stdlib"
print(sys.version_info[0], sys.version_info[1], found)`;

export interface Trainer {
  /** What a user would type. */
  readonly command: readonly string[];
  readonly name: 'pytorch' | 'stdlib';
  readonly steps: number;
}

/** Ctrl-C: everything is cleaned up, exit code 130. */
export class Interrupted extends Error {}

/** @throws NerveError `refused` naming what to install; Interrupted. */
export async function findTrainer(examplesDir: string, seconds: number, signal: AbortSignal): Promise<Trainer> {
  // A terminal's Ctrl-C reaches Python too, and may be seen there first.
  const unlessStopped = (cause: unknown): void => {
    if (signal.aborted || (cause instanceof Error && 'signal' in cause && cause.signal === 'SIGINT')) throw new Interrupted();
  };
  const hint = `Install Python ${MIN_PYTHON.join('.')} or newer so that "python3" is on PATH.`;
  const { stdout } = await run('python3', ['-c', PROBE], { timeout: 60_000 }).catch((cause: unknown) => {
    unlessStopped(cause);
    throw new NerveError('refused', 'The demo trains a real model and needs Python, but "python3" does not run.', { cause, hint });
  });
  const [major = '0', minor = '0', found] = stdout.trim().split(' ');
  if (Number(major) < MIN_PYTHON[0] || (Number(major) === MIN_PYTHON[0] && Number(minor) < MIN_PYTHON[1])) {
    throw new NerveError('refused', `The demo needs Python ${MIN_PYTHON.join('.')} or newer; "python3" is ${major}.${minor}.`, { hint });
  }
  const name = found === 'pytorch' ? 'pytorch' : 'stdlib';
  const script = join(examplesDir, `train_${name}.py`);
  const calibrated = await run('python3', [script, '--calibrate', String(seconds)], { timeout: 60_000 }).catch((cause: unknown) => {
    unlessStopped(cause);
    const printed = cause instanceof Error ? (cause.message.trim().split('\n').at(-1) ?? '') : String(cause);
    throw new NerveError('fatal', `The trainer ${script} does not run: ${printed}`, {
      cause,
      hint: 'Run it by hand to see why: python3 examples/train_stdlib.py --steps 10',
    });
  });
  const steps = Number.parseInt(calibrated.stdout, 10);
  return { name, steps, command: ['python3', script, '--steps', String(steps)] };
}

export interface Beside {
  readonly child: ChildProcess;
  /** Step it has reached. */
  step(): number;
  /** Its final hash; null if it failed. */
  readonly hash: Promise<string | null>;
}

/** The same training once more, never interrupted, in a folder of its own and without anything of Nerve's in its environment. */
export function startBeside(trainer: Trainer, folder: string): Beside {
  mkdirSync(folder, { recursive: true });
  const [program = 'python3', ...args] = trainer.command;
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  return {
    child,
    step: () => Number(/.*\bstep (\d+)/s.exec(printed)?.[1] ?? 0),
    hash: new Promise((resolve) => {
      child.on('error', () => resolve(null));
      child.on('close', () => resolve(finalHash(printed)));
    }),
  };
}

/** The hash that a trainer prints last. */
export function finalHash(output: string): string | null {
  return /^final weights sha256 ([0-9a-f]{64})$/m.exec(output)?.[1] ?? null;
}
