// Where one user's Nerve keeps its files on this machine. Folders are private (0700): logs, environments and checkpoints
// are nobody else's business.

import { mkdirSync, statSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Environment } from './environment.ts';

export interface Paths {
  readonly state: string;
  readonly cache: string;
  /** The running `nerve up`: pid, sockets, clock. */
  readonly upFile: string;
  readonly clusterDir: string;
  readonly redisDir: string;
  readonly logsDir: string;
  readonly jobsDir: string;
  readonly jobDir: (jobId: string) => string;
  readonly attemptDir: (jobId: string, attempt: number) => string;
  readonly checkpointDir: (jobId: string) => string;
}

export function pathsFor(env: Environment): Paths {
  const home = env['HOME'] ?? homedir();
  const state = env['NERVE_STATE_DIR'] ?? join(env['XDG_STATE_HOME'] ?? join(home, '.local', 'state'), 'nerve');
  const jobsDir = join(state, 'jobs');
  const jobDir = (jobId: string): string => join(jobsDir, jobId);
  return {
    state,
    cache: env['NERVE_CACHE_DIR'] ?? join(env['XDG_CACHE_HOME'] ?? join(home, '.cache'), 'nerve'),
    upFile: join(state, 'local', 'up.json'),
    clusterDir: join(state, 'local', 'cluster'),
    redisDir: join(state, 'redis'),
    logsDir: join(state, 'local', 'logs'),
    jobsDir,
    jobDir,
    attemptDir: (jobId, attempt) => join(jobDir(jobId), `a${attempt}`),
    checkpointDir: (jobId) => join(state, 'checkpoints', jobId),
  };
}

/** A short private folder for unix sockets: `$XDG_RUNTIME_DIR/nerve` if that is ours, else null (the caller makes a temporary one). */
export function runtimeDir(env: Environment): string | null {
  const base = env['XDG_RUNTIME_DIR'];
  if (base === undefined || base === '') return null;
  try {
    if (statSync(base).uid !== userInfo().uid) return null;
    mkdirSync(join(base, 'nerve'), { recursive: true, mode: 0o700 });
    return join(base, 'nerve');
  } catch {
    return null;
  }
}
