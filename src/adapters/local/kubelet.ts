// A node's hands in the local cluster: starts attempts as real processes, watches them, ends them. It runs inside the agent's
// process but owns nothing that must survive it: each attempt is the leader of a session of its own, its pid and exit code are
// files of its folder, so that the next agent finds it again.

import { spawn } from 'node:child_process';
import { accessSync, appendFileSync, closeSync, constants, existsSync, mkdirSync, openSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Log } from '../../ports.ts';
import { identify, isAlive, type ProcessIdentity, signalIfAlive } from '../process/identity.ts';
import type { AssignedAttempt, CloudApi } from './cloud-api.ts';
import { attemptEnvironment, type JobPaths, readCode, readExit, readPid, tail } from './job-files.ts';

export interface KubeletOptions {
  readonly cloud: CloudApi;
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly paths: JobPaths;
  readonly pollRealMs: number;
  /** SIGTERM to SIGKILL. */
  readonly graceRealMs: number;
  readonly checkpointEveryRealMs: number | null;
}

// Runs the command ("$@") as its child and keeps the exit code in a file. `mkdir started` makes it run once, even if an agent died
// between starting it and saying so. The trap is for the group's SIGTERM: the shell must outlive the command by some lines. On a full disk
// the exit code waits for room: a success that cannot be written down must not look like a failure.
//
// What the command leaves behind in its group (a DataLoader's workers, with the GPU in their hands) ends with it: SIGTERM unless it had
// that already, `tenths` of a second of grace, SIGKILL. That is done here because only here it is certain whose group it is. Its id is this
// shell's pid, and nobody can be given that while this shell lives; anybody else would have to look first and kill then, when the shell may
// have ended, the group with it, and the number may be a stranger's. So `kill 0`, this shell's own group, and itself last. `exit` is written
// before that and after the grace: an attempt has ended when its group has. `exit.new` keeps the code for when this shell is killed meanwhile.
const WRAPPER = `dir=$1; tenths=$2; shift 2
mkdir "$dir/started" 2>/dev/null || exit 0
echo $$ > "$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"
told=
trap told=1 TERM
trap : INT HUP
"$@"
code=$?
others() {
  [ -e /proc/self/stat ] || { pgrep -g $$ > /dev/null; return; }
  for stat in /proc/[0-9]*/stat; do
    [ "$stat" != "/proc/$$/stat" ] && read -r line < "$stat" || continue
    set -- \${line##*) }
    [ "$3" = $$ ] && [ "$1" != Z ] && return 0
  done
  return 1
}
{
  echo $code > "$dir/exit.new"
  if others; then
    [ -n "$told" ] || kill -s TERM 0
    while [ "$tenths" -gt 0 ] && others; do sleep 0.1; tenths=$((tenths - 1)); done
  fi
  until echo $code > "$dir/exit.new" && mv "$dir/exit.new" "$dir/exit"; do [ -d "$dir" ] || break; sleep 1; done
  kill -s KILL 0
} 2>/dev/null`;

/** What a program leaves behind has at most this long to end. */
const LEFT_BEHIND_GRACE_MS = 5000;

export async function runKubelet(options: KubeletOptions, signal: AbortSignal): Promise<void> {
  const termAtRealMs = new Map<string, number>();
  while (!signal.aborted) {
    try {
      const { attempts } = await options.cloud.node({ node: options.node });
      for (const attempt of attempts) if (attempt.seen.endedAtMs === null) await tend(options, attempt, termAtRealMs);
    } catch (error) {
      options.log.debug({ error: error instanceof Error ? error.message : String(error) }, 'a round of the kubelet failed; trying again');
    }
    await options.clock.sleep(options.pollRealMs, signal);
  }
}

async function tend(options: KubeletOptions, attempt: AssignedAttempt, termAtRealMs: Map<string, number>): Promise<void> {
  const { cloud, log, clock, graceRealMs } = options;
  const { name, deletionRequestedAtMs } = attempt.seen;
  const dir = options.paths.attemptDir(attempt.seen.jobId, attempt.seen.attempt);
  if (attempt.process === null) {
    if (deletionRequestedAtMs !== null && readPid(dir) === null) return void (await cloud.ended({ name, exitCode: null, logTail: null }));
    const started = await start(options, attempt, dir);
    if (started !== null) {
      await cloud.started({ name, process: started });
      log.info({ attempt: name, process: started.pid }, 'started');
    } else if (readExit(dir) !== null) await cloud.ended({ name, exitCode: readExit(dir), logTail: tail(join(dir, 'log')) });
    return;
  }
  const exitCode = readExit(dir);
  if (exitCode !== null || !isAlive(attempt.process)) {
    const code = exitCode ?? readCode(dir);
    await cloud.ended({ name, exitCode: code, logTail: tail(join(dir, 'log')) });
    log.info({ attempt: name, exitCode: code }, 'ended');
  } else if (deletionRequestedAtMs !== null) {
    const since = termAtRealMs.get(name);
    if (since === undefined) {
      termAtRealMs.set(name, clock.realNowMs());
      signalIfAlive(attempt.process, 'SIGTERM', true);
    } else if (clock.realNowMs() - since > graceRealMs) signalIfAlive(attempt.process, 'SIGKILL', true);
  }
}

/** Starts the attempt, or finds the process that an agent before this one started. Null: it has come and gone. */
async function start(options: KubeletOptions, attempt: AssignedAttempt, dir: string): Promise<ProcessIdentity | null> {
  if (readExit(dir) !== null) return null;
  if (readPid(dir) === null) {
    mkdirSync(join(dir, 'scratch'), { recursive: true, mode: 0o700 });
    const { program } = attempt.spec;
    if (program.kind !== 'process') throw new Error('a pod cannot run on this machine');
    const { command, cwd } = program;
    // Not of one that an agent before this one has just started.
    const why = existsSync(join(dir, 'started')) ? null : whyNotIn(cwd);
    if (why !== null) {
      failWithout(dir, cwd, why);
      return null;
    }
    const tenths = Math.ceil(Math.min(options.graceRealMs, LEFT_BEHIND_GRACE_MS) / 100);
    const output = openSync(join(dir, 'log'), 'a', 0o600);
    try {
      const child = spawn('/bin/sh', ['-c', WRAPPER, 'nerve-attempt', dir, String(tenths), ...command], {
        cwd,
        env: attemptEnvironment(attempt, options.paths, options.clock, options.checkpointEveryRealMs),
        stdio: ['ignore', output, output],
        detached: true,
      });
      child.on('error', (error) => options.log.error({ attempt: attempt.seen.name, error: error.message }, 'cannot start'));
      child.unref();
    } finally {
      closeSync(output);
    }
  }
  for (let i = 0; i < 100 && readPid(dir) === null; i++) await options.clock.sleep(10);
  const pid = readPid(dir);
  return pid === null ? null : identify(pid);
}

/**
 * Why nothing can run in this folder; null: it can. A program that ran elsewhere would read other files than its user meant, and could even
 * succeed with them.
 */
function whyNotIn(cwd: string): string | null {
  try {
    if (!statSync(cwd).isDirectory()) return 'is no folder any more';
    accessSync(cwd, constants.X_OK);
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'is gone' : `cannot be entered (${code ?? String(error)})`;
  }
}

/** As a shell ends that finds no program. The job's own failure: a retry may find the folder again (a network drive, say). */
const EXIT_NO_FOLDER = 127;

/** The attempt ends without having run: its log and its exit code say so. */
function failWithout(dir: string, cwd: string, why: string): void {
  const text = `nerve: the folder ${cwd}, where this job was submitted, ${why}. Make it again, then submit again; a job with retries left tries again by itself.\n`;
  appendFileSync(join(dir, 'log'), text, { mode: 0o600 });
  writeFileSync(join(dir, 'exit.new'), `${EXIT_NO_FOLDER}\n`, { mode: 0o600 });
  renameSync(join(dir, 'exit.new'), join(dir, 'exit'));
}
