// The private files of a job on this machine: the submitting shell's environment (0600, gone when the job ends), and what an
// attempt's process is given. The environment never goes to Redis, to the record or to the simulated cloud.

import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../ports.ts';
import type { AssignedAttempt } from './cloud-api.ts';

export interface JobPaths {
  readonly jobDir: (jobId: string) => string;
  readonly attemptDir: (jobId: string, attempt: number) => string;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** All of it or nothing: of a job that could not be kept nothing is left behind. */
export function keepEnvironment(paths: JobPaths, jobId: string, variables: Variables): void {
  const dir = paths.jobDir(jobId);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(join(dir, 'env.json'), JSON.stringify(variables), { mode: 0o600 });
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

export function forgetEnvironment(paths: JobPaths, jobId: string): void {
  rmSync(join(paths.jobDir(jobId), 'env.json'), { force: true });
}

/** Environments of jobs that never were: their submit ended without knowing. A younger one may belong to a submit that is under way. */
export function forgetStrayEnvironments(jobsDir: string, live: ReadonlySet<string>, olderThanMs: number): void {
  if (!existsSync(jobsDir)) return;
  for (const jobId of readdirSync(jobsDir)) {
    const file = join(jobsDir, jobId, 'env.json');
    const stat = live.has(jobId) ? undefined : statSync(file, { throwIfNoEntry: false });
    if (stat !== undefined && Date.now() - stat.mtimeMs > olderThanMs) rmSync(file, { force: true });
  }
}

function keptEnvironment(paths: JobPaths, jobId: string): Variables {
  try {
    return JSON.parse(readFileSync(join(paths.jobDir(jobId), 'env.json'), 'utf8')) as Variables;
  } catch {
    return {};
  }
}

/** The submitting shell's environment, without Nerve's own variables, plus the checkpoint contract's (DESIGN section 4). */
export function attemptEnvironment(
  attempt: AssignedAttempt,
  paths: JobPaths,
  clock: Clock,
  checkpointEveryRealMs: number | null,
): Record<string, string> {
  const { seen, spec, handover, hook } = attempt;
  const own = Object.entries(keptEnvironment(paths, seen.jobId)).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !INTERNAL.has(entry[0]),
  );
  const real = (virtualMs: number): string => new Date(clock.realNowMs() + (virtualMs - clock.nowMs()) / clock.speed).toISOString();
  return {
    ...(checkpointEveryRealMs === null ? {} : { NERVE_CHECKPOINT_EVERY: String(checkpointEveryRealMs / 1000) }),
    ...Object.fromEntries(own),
    NERVE_JOB_ID: seen.jobId,
    NERVE_ATTEMPT: String(seen.attempt),
    NERVE_DEADLINE: new Date(spec.deadlineMs).toISOString(),
    NERVE_CHECKPOINT_URI: spec.checkpointUri,
    NERVE_HOOK_PORT: String(hook.port),
    NERVE_HOOK_TOKEN: hook.token,
    NERVE_SCRATCH: join(paths.attemptDir(seen.jobId, seen.attempt), 'scratch'),
    ...(handover === null
      ? {}
      : { NERVE_PREVIOUS_ATTEMPT: String(handover.previousAttempt), NERVE_WAIT_SEALED_UNTIL: real(handover.waitSealedUntilMs) }),
  };
}

/** Set by `nerve` for its own processes: meaningless, or another job's, in a training process. */
const INTERNAL = new Set([
  'NERVE_JOB_ID',
  'NERVE_ATTEMPT',
  'NERVE_HOOK_PORT',
  'NERVE_HOOK_TOKEN',
  'NERVE_PREVIOUS_ATTEMPT',
  'NERVE_WAIT_SEALED_UNTIL',
  'NERVE_CHECKPOINT_URI',
  'NERVE_DEADLINE',
  'NERVE_SCRATCH',
]);

/** What the shell around an attempt's program wrote. */
export const readPid = (dir: string): number | null => readNumber(join(dir, 'pid'));
/** Null until the program and all of its group have ended. */
export const readExit = (dir: string): number | null => readNumber(join(dir, 'exit'));
/** Null until the program has ended: what it left behind may still be ending. */
export const readCode = (dir: string): number | null => readExit(dir) ?? readNumber(join(dir, 'exit.new'));

function readNumber(path: string): number | null {
  try {
    const value = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isNaN(value) ? null : value;
  } catch {
    return null;
  }
}

const LOG_TAIL_BYTES = 2000;

/** The last 2 kB of a file. */
export function tail(path: string): string | null {
  try {
    const { size } = statSync(path);
    const from = Math.max(0, size - LOG_TAIL_BYTES);
    const buffer = Buffer.alloc(size - from);
    const file = openSync(path, 'r');
    try {
      readSync(file, buffer, 0, buffer.length, from);
    } finally {
      closeSync(file);
    }
    return buffer.toString('utf8');
  } catch {
    return null;
  }
}
