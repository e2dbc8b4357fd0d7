// What a test knows about the pure-Python trainer: how it is run, its hash, and its seal log.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TRAINER } from './local.ts';

const run = promisify(execFile);

export const trainerCommand = (steps: number): readonly string[] => ['python3', TRAINER, '--steps', String(steps)];

/** So many steps take about `seconds` on this machine now. */
export async function stepsFor(seconds: number): Promise<number> {
  const { stdout } = await run('python3', [TRAINER, '--calibrate', String(seconds)]);
  return Number.parseInt(stdout, 10);
}

/** The hash of an uninterrupted run. */
export async function uninterruptedHash(steps: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'nt-'));
  try {
    const [program = '', ...args] = trainerCommand(steps);
    const { stdout } = await run(program, args, { cwd: folder });
    return hashIn(stdout) ?? 'no hash';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const hashIn = (output: string): string | null => /^final weights sha256 ([0-9a-f]{64})$/m.exec(output)?.[1] ?? null;

export interface SealEntry {
  readonly number: number;
  readonly type: 'checkpoint' | 'resume';
  readonly attempt: number;
  readonly epoch: number;
  readonly step?: number;
  readonly final?: boolean;
}

export function sealLog(checkpointDir: string): readonly SealEntry[] {
  return readdirSync(join(checkpointDir, 'seal'))
    .filter((name) => /^\d{10}\.json$/.test(name))
    .sort()
    .map((name) => ({
      ...(JSON.parse(readFileSync(join(checkpointDir, 'seal', name), 'utf8')) as Omit<SealEntry, 'number'>),
      number: Number.parseInt(name, 10),
    }));
}

/** Why this log shows two attempts at once past their resume points, or null. */
export function twoAtOnce(log: readonly SealEntry[]): string | null {
  let holder: SealEntry | null = null;
  for (const entry of log) {
    if (entry.type === 'resume') {
      if (holder !== null && entry.attempt < holder.attempt) return `attempt ${entry.attempt} resumed after attempt ${holder.attempt}`;
      holder = entry;
    } else if (holder === null || entry.epoch !== holder.epoch || entry.attempt !== holder.attempt) {
      return `entry ${entry.number} was sealed by attempt ${entry.attempt} while attempt ${holder?.attempt ?? 'none'} held the epoch`;
    }
  }
  return null;
}
