// The crash matrix: kill -9 of worker, agent, training process and Redis, at five moments each, on a real local cluster. Whatever was
// killed and whenever, the job ends once, in time, with the weights of an uninterrupted run, and never trains twice at once.
//
// NERVE_CRASH_CASES: how many of the twenty are run (a number or `all`); NERVE_CRASH_SEED draws them.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { fold } from '../../src/engine/fold.ts';
import type { JobRecord } from '../../src/engine/record.ts';
import { report } from '../../src/engine/report.ts';
import { type ProcessIdentity, signalIfAlive } from '../../src/adapters/process/identity.ts';
import type { Session } from '../../src/wire.ts';
import { type Local, startLocal, until } from '../support/local.ts';
import { hashIn, sealLog, stepsFor, trainerCommand, twoAtOnce, uninterruptedHash } from '../support/training.ts';

const VICTIMS = ['worker', 'agent', 'training', 'redis'] as const;
const MOMENTS = [
  'just launched',
  'training, nothing sealed yet',
  'after a periodic checkpoint',
  'right after the interruption notice',
  'in the second attempt',
] as const;
type Victim = (typeof VICTIMS)[number];
type Moment = (typeof MOMENTS)[number];
interface Case {
  readonly victim: Victim;
  readonly moment: Moment;
}

const ALL: readonly Case[] = MOMENTS.flatMap((moment) => VICTIMS.map((victim) => ({ victim, moment })));

/** Drawn by the seed; the first four are one of each victim, so that even the shortest run has all of them. */
function drawn(): readonly Case[] {
  const wanted = process.env['NERVE_CRASH_CASES'] ?? '4';
  if (wanted === 'all') return ALL;
  const seed = process.env['NERVE_CRASH_SEED'] ?? 'nerve';
  const order = (c: Case): string => createHash('sha256').update(`${seed} ${c.victim} ${c.moment}`).digest('hex');
  const byVictim = VICTIMS.map((victim) => ALL.filter((c) => c.victim === victim).toSorted((a, b) => order(a).localeCompare(order(b))));
  const rounds = MOMENTS.flatMap((_, round) => byVictim.flatMap((cases) => cases.slice(round, round + 1)));
  return rounds.slice(0, Number(wanted));
}

describe('whatever is killed, whenever', () => {
  let steps = 0;
  let hash = '';
  let local: Local;

  beforeAll(async () => {
    steps = await stepsFor(5);
    hash = await uninterruptedHash(steps);
    local = await startLocal({ seed: 'crash' });
  }, 120_000);

  afterAll(async () => {
    await local?.stop();
  });

  afterEach(({ task }) => {
    if (task.result?.state !== 'fail') return;
    for (const name of ['worker', 'up'])
      console.error(
        `--- ${name}.log\n${readFileSync(join(local.paths.logsDir, `${name}.log`), 'utf8')
          .split('\n')
          .slice(-40)
          .join('\n')}`,
      );
  });

  test.each(drawn())('kill -9 of the $victim, $moment', { timeout: 90_000 }, async ({ victim, moment }) => {
    const submitted = await local.nerve('submit', '--json', '--deadline', '+6h', '--duration', '50m', '--', ...trainerCommand(steps));
    expect(submitted).toMatchObject({ code: 0 });
    const { jobId } = JSON.parse(submitted.stdout) as { jobId: string };
    expect((await local.nerve('release', jobId)).code).toBe(0);
    const session = await local.session();

    await reach(session, jobId, moment);
    if (victim === 'training') await until(() => processesOf(local, jobId).length > 0, 30_000);
    kill(local, jobId, victim);
    if (moment !== 'in the second attempt' && moment !== 'right after the interruption notice')
      await noticeOnce(session, jobId, victim === 'training' ? 2 : 1);

    const record = await finished(local, jobId);
    const state = fold(record);
    expect(state.finished).toMatchObject({ result: 'succeeded', late: false });
    expect(record.events.filter((e) => e.type === 'finished')).toHaveLength(1);
    expect(hashOf(local, record)).toBe(hash);
    const log = sealLog(local.paths.checkpointDir(jobId));
    expect(twoAtOnce(log)).toBeNull();
    // A process that was killed before anybody saw the notice failed by itself, as far as anybody can tell.
    expect(report(record).interruptions + state.failures).toBeGreaterThanOrEqual(1);
    expect(Object.values(local.cloudState().attempts).filter((a) => a.seen.jobId === jobId && a.seen.endedAtMs === null)).toEqual([]);
    await restartOfAnOldAttemptChangesNothing(local, jobId, state.attempts.length, steps);
  });
});

/** Waits for the moment; the later ones make it come by an interruption notice. */
async function reach(session: Session, jobId: string, moment: Moment): Promise<void> {
  const attempts = async () => (await session.cloud.attempts({ jobId })).filter((a) => a.endedAtMs === null);
  switch (moment) {
    case 'just launched':
      return until(async () => (await attempts()).length > 0, 30_000);
    case 'training, nothing sealed yet':
      return until(async () => (await attempts()).some((a) => a.resumed !== null), 30_000);
    case 'after a periodic checkpoint':
      return until(async () => (await attempts()).some((a) => a.lastCheckpoint !== null), 30_000);
    case 'right after the interruption notice':
      await until(async () => (await attempts()).some((a) => (a.progress?.step ?? 0) > 0), 30_000);
      await session.cloud.disturb({ jobId, kind: 'notice' });
      return;
    case 'in the second attempt':
      await until(async () => (await attempts()).some((a) => (a.progress?.step ?? 0) > 0), 30_000);
      await session.cloud.disturb({ jobId, kind: 'notice' });
      return until(async () => (await attempts()).some((a) => a.attempt > 1 && a.resumed !== null), 40_000);
  }
}

function kill(local: Local, jobId: string, victim: Victim): void {
  if (victim === 'training') {
    for (const identity of processesOf(local, jobId)) signalIfAlive(identity, 'SIGKILL', true);
    return;
  }
  const children = Object.entries(local.children()).filter(([name]) => (victim === 'agent' ? name.startsWith('agent-') : name === victim));
  for (const [, identity] of children) signalIfAlive(identity, 'SIGKILL');
}

const processesOf = (local: Local, jobId: string): readonly ProcessIdentity[] =>
  Object.values(local.cloudState().attempts).flatMap((a) =>
    a.seen.jobId === jobId && a.process !== null && a.seen.endedAtMs === null ? [a.process] : [],
  );

/** Every case is interrupted at least once: after the crash, as soon as it trains (again). */
async function noticeOnce(session: Session, jobId: string, fromAttempt: number): Promise<void> {
  const trains = async (): Promise<boolean> =>
    (await session.cloud.attempts({ jobId })).some(
      (a) => a.attempt >= fromAttempt && a.endedAtMs === null && a.resumed !== null && (a.progress?.step ?? 0) > 0,
    );
  await until(trains, 60_000, () => 'it did not train again after the crash');
  await session.cloud.disturb({ jobId, kind: 'notice' });
}

/** The record once it is finished; Redis may be away meanwhile. */
async function finished(local: Local, jobId: string): Promise<JobRecord> {
  let record: JobRecord | null = null;
  const session = await local.session();
  await until(
    async () => {
      record = await session.queue.records.read(jobId).catch(() => null);
      return record?.events.at(-1)?.type === 'finished';
    },
    75_000,
    () => `the job did not finish; its record: ${JSON.stringify(record?.events.map((e) => e.type))}`,
  );
  if (record === null) throw new Error('unreachable');
  return record;
}

function hashOf(local: Local, record: JobRecord): string | null {
  const outputs = fold(record).attempts.map(({ attempt }) => {
    try {
      return readFileSync(join(local.paths.attemptDir(record.jobId, attempt), 'log'), 'utf8');
    } catch {
      return '';
    }
  });
  return hashIn(outputs.join('\n'));
}

async function restartOfAnOldAttemptChangesNothing(local: Local, jobId: string, attempts: number, steps: number): Promise<void> {
  const dir = local.paths.checkpointDir(jobId);
  const before = JSON.stringify(sealLog(dir));
  const newest = Math.max(
    ...sealLog(dir)
      .filter((e) => e.type === 'resume')
      .map((e) => e.attempt),
  );
  if (newest < 2 || attempts < 2) return;
  const [program = '', ...args] = trainerCommand(steps);
  const code = await new Promise((resolve) => {
    execFile(program, args, { env: { ...process.env, NERVE_JOB_ID: jobId, NERVE_ATTEMPT: '1', NERVE_CHECKPOINT_URI: `file://${dir}` } }, (error) =>
      resolve(error === null ? 0 : error.code),
    );
  });
  expect(code).toBe(75);
  expect(JSON.stringify(sealLog(dir))).toBe(before);
}
