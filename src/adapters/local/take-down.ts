// Ends what runs because this machine's Nerve ends ("nerve down", Ctrl-C): neither the cloud's doing nor the jobs' own. Each attempt is
// marked as stopped by Nerve before it hears of it, so that the record says so, even if this process dies on the way.
//
// The agents have ended before: nobody starts anything meanwhile, and each program gets exactly one SIGTERM, as a second one makes many
// programs give up on saving. How an attempt ended, and what it sealed at the last moment, is therefore read here.

import { join } from 'node:path';
import type { CheckpointInfo } from '../../engine/record.ts';
import type { Clock, SealLog } from '../../ports.ts';
import { identify, isAlive, type ProcessIdentity, signalIfAlive } from '../process/identity.ts';
import { endWithin } from './children.ts';
import type { Cloud, CloudAttempt } from './cloud.ts';
import { type JobPaths, readCode, readPid, tail } from './job-files.ts';

/** Jobs that ran, by what they go on from. */
export interface TakenDown {
  /** Sealed when they were asked to end: nothing is done again. */
  readonly checkpointed: number;
  readonly earlierCheckpoint: number;
  /** They begin again. */
  readonly noCheckpoint: number;
  /** Their checkpoints could not be read now. */
  readonly unknownCheckpoint: number;
  /** Ended by themselves meanwhile. */
  readonly ended: number;
}

export interface TakeDownOptions {
  readonly clock: Clock;
  readonly jobs: JobPaths;
  readonly graceRealMs: number;
  readonly sealLog: (uri: string) => Promise<SealLog>;
}

interface Running {
  readonly name: string;
  readonly dir: string;
  readonly process: ProcessIdentity | null;
}

export async function takeDown(cloud: Cloud, options: TakeDownOptions): Promise<TakenDown> {
  const running = Object.values(cloud.state().attempts)
    .filter(({ seen }) => seen.endedAtMs === null && seen.placedAtMs !== null)
    .map((attempt) => runningOf(attempt, options.jobs));
  // What has ended by itself and was not heard of yet is not marked: that end is its own.
  cloud.takeDown(running.filter(({ dir, process }) => readCode(dir) === null && (process === null || isAlive(process))).map(({ name }) => name));
  const processes = running.flatMap(({ process }) => process ?? []);
  for (const identity of processes) signalIfAlive(identity, 'SIGTERM', true);
  await endWithin(processes, options.graceRealMs, true);
  // What cannot be written now (disk full) is found by the next start: it ends what it finds, and the mark stands.
  for (const { name, dir } of running) await cloud.ended({ name, exitCode: readCode(dir), logTail: tail(join(dir, 'log')) }).catch(() => undefined);
  return counted(cloud, new Set(running.map(({ name }) => name)), options);
}

function runningOf({ seen, process }: CloudAttempt, jobs: JobPaths): Running {
  const dir = jobs.attemptDir(seen.jobId, seen.attempt);
  const pid = process === null ? readPid(dir) : null;
  return { name: seen.name, dir, process: process ?? (pid === null ? null : identify(pid)) };
}

async function counted(cloud: Cloud, names: ReadonlySet<string>, options: TakeDownOptions): Promise<TakenDown> {
  const found = { checkpointed: 0, earlierCheckpoint: 0, noCheckpoint: 0, unknownCheckpoint: 0, ended: 0 };
  const byJob = Map.groupBy(
    Object.values(cloud.state().attempts).filter(({ seen }) => names.has(seen.name)),
    ({ seen }) => seen.jobId,
  );
  await Promise.all([...byJob.values()].map(async (attempts) => (found[await goesOnFrom(cloud, attempts, options)] += 1)));
  return found;
}

async function goesOnFrom(cloud: Cloud, attempts: readonly CloudAttempt[], { clock, sealLog }: TakeDownOptions): Promise<keyof TakenDown> {
  if (attempts.some(({ seen }) => seen.phase === 'succeeded') || attempts.every(({ seen }) => !seen.deletedByNerve)) return 'ended';
  const uri = attempts[0]?.spec.checkpointUri ?? '';
  const newest = await Promise.race([
    sealLog(uri)
      .then(newestSeal)
      .catch(() => undefined),
    clock.sleep(SEAL_PATIENCE_MS).then(() => undefined),
  ]);
  if (newest === undefined) return attempts.some(({ seen }) => seen.lastCheckpoint !== null) ? 'earlierCheckpoint' : 'unknownCheckpoint';
  if (newest === null) return 'noCheckpoint';
  const sealer = attempts.find(({ seen }) => seen.attempt === newest.attempt);
  if (sealer === undefined) return 'earlierCheckpoint';
  const { sealedAtRealMs, attempt: _, ...seal } = newest;
  const sealedAtMs = clock.nowMs() + (sealedAtRealMs - clock.realNowMs()) * clock.speed;
  // Its agent has ended before it: nobody else says that it sealed, and the record would call its last work lost.
  if (sealer.seen.lastCheckpoint?.id !== seal.id)
    await cloud.annotateAttempt({ name: sealer.seen.name, annotations: { lastCheckpoint: { ...seal, sealedAtMs } } }).catch(() => undefined);
  return seal.final ? 'checkpointed' : 'earlierCheckpoint';
}

/** A bucket that does not answer must not keep Nerve from ending. */
const SEAL_PATIENCE_MS = 5000;

interface NewestSeal extends Omit<CheckpointInfo, 'sealedAtMs'> {
  readonly attempt: number;
  readonly sealedAtRealMs: number;
}

/** The newest checkpoint of the log that can be read; null: there is none. */
async function newestSeal(log: SealLog): Promise<NewestSeal | null> {
  for (const number of (await log.numbers()).toReversed()) {
    const seal = sealFrom(number, await log.entry(number));
    if (seal !== null) return seal;
  }
  return null;
}

/** Null for what is no checkpoint. It comes from an untrusted place. */
function sealFrom(number: number, text: string | null): NewestSeal | null {
  try {
    const entry = JSON.parse(text ?? 'null') as Readonly<Record<string, unknown>> | null;
    if (entry?.['type'] !== 'checkpoint') return null;
    const { step, attempt, durationMs, files, final, sealedAt } = entry;
    if (!isWhole(step) || !isWhole(attempt) || !Array.isArray(files)) return null;
    const bytes = files.reduce((sum: number, file: { readonly bytes?: unknown } | null) => sum + (isWhole(file?.bytes) ? file.bytes : 0), 0);
    const sealedAtRealMs = typeof sealedAt === 'string' ? Date.parse(sealedAt) : Number.NaN;
    return {
      id: String(number).padStart(10, '0'),
      attempt,
      step,
      bytes,
      durationMs: isWhole(durationMs) ? durationMs : 0,
      final: final === true,
      sealedAtRealMs: Number.isNaN(sealedAtRealMs) ? Date.now() : sealedAtRealMs,
    };
  } catch {
    return null;
  }
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);
