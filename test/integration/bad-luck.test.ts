// Bad luck on a real local cluster, beyond bad-input.test.ts: a Redis that is mute, killed or full while a job runs, disks that are
// full, and two that start at once. What is said, the exit code, what is left behind, and that nothing that was acknowledged is lost.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readUp } from '../../src/adapters/local/up-file.ts';
import { isAlive, signalIfAlive } from '../../src/adapters/process/identity.ts';
import { readJob } from '../../src/intake/request.ts';
import { type Local, startLocal, until } from '../support/local.ts';
import { canMakeTinyDisks, tinyDisk, type TinyDisk } from '../support/tiny-disk.ts';
import { hashIn, sealLog, stepsFor, trainerCommand, twoAtOnce } from '../support/training.ts';

const disks = canMakeTinyDisks();
let steps = 0;
beforeAll(async () => {
  steps = await stepsFor(6);
}, 60_000);

const OK = ['--deadline', '+12h', '--duration', '1h'] as const;

async function submit(local: Local, ...args: readonly string[]): Promise<string> {
  const ran = await local.nerve('submit', ...OK, ...args);
  expect(ran).toMatchObject({ code: 0 });
  const jobId = ran.stdout.trim();
  expect((await local.nerve('release', jobId)).code).toBe(0);
  return jobId;
}

const trains = (local: Local, jobId: string): Promise<void> =>
  until(
    () =>
      Object.values(local.cloudState().attempts).some((a) => a.seen.jobId === jobId && a.seen.endedAtMs === null && (a.seen.progress?.step ?? 0) > 0),
    40_000,
    () => `job ${jobId} does not train`,
  );

/** Ended well: `nerve wait` says so, it never failed, and never trained twice at once. */
async function endsWell(local: Local, jobId: string, checkpointDir = local.paths.checkpointDir(jobId)): Promise<void> {
  expect(await local.nerve('wait', jobId)).toMatchObject({ code: 0 });
  const session = await local.session();
  const { state } = await readJob(session.queue.records, jobId);
  await session.close();
  expect(state).toMatchObject({ failures: 0, attempts: [{ attempt: 1 }], finished: { result: 'succeeded', late: false } });
  expect(twoAtOnce(sealLog(checkpointDir))).toBeNull();
}

const logOf = (local: Local, jobId: string, attempt: number): string => readFileSync(join(local.paths.attemptDir(jobId, attempt), 'log'), 'utf8');

/** Folders of jobs, and environments in them. */
const privateFiles = (local: Local): readonly string[] =>
  existsSync(local.paths.jobsDir) ? readdirSync(local.paths.jobsDir).filter((id) => existsSync(join(local.paths.jobDir(id), 'env.json'))) : [];

describe('a Redis', () => {
  let local: Local;
  beforeAll(async () => {
    local = await startLocal({ seed: 'bad-luck' });
  }, 60_000);
  afterAll(() => local?.stop());
  const redis = () => local.children()['redis'] ?? { pid: 0, startTime: '' };

  it('that is mute at submit ends it with 3 in bounded time, and nothing is left behind', async () => {
    signalIfAlive(redis(), 'SIGSTOP');
    const sinceMs = performance.now();
    const [spoken, json] = await Promise.all([local.nerve('submit', ...OK, '--', 'true'), local.nerve('submit', '--json', ...OK, '--', 'true')]);
    const tookMs = performance.now() - sinceMs;
    signalIfAlive(redis(), 'SIGCONT');
    expect(spoken).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('cannot reach Redis') });
    expect(json.code).toBe(3);
    expect(tookMs).toBeLessThan(15_000);
    expect(privateFiles(local)).toEqual([]);
    expect(JSON.parse((await local.nerve('list', '--json')).stdout)).toMatchObject({ jobs: [] });
  });

  it('that is killed while a job runs, and is full later, delays what is written and loses nothing', async () => {
    const jobId = await submit(local, '--', ...trainerCommand(steps));
    await trains(local, jobId);
    const before = redis();
    signalIfAlive(before, 'SIGKILL');
    // A command at that very moment either finds the new one or says what is the matter.
    const meanwhile = await local.nerve('status', jobId);
    expect([0, 3]).toContain(meanwhile.code);
    expect(meanwhile.code === 0 ? meanwhile.stdout : meanwhile.stderr).toMatch(/running|starting|cannot reach Redis/);
    await until(() => redis().pid !== before.pid && isAlive(redis()), 10_000);
    await until(async () => (await local.nerve('status', jobId)).code === 0, 10_000);

    const admin = new Redis({ path: readUp(local.paths.upFile)?.redisUrl ?? '' });
    await admin.config('SET', 'maxmemory', '1');
    expect(await local.nerve('submit', ...OK, '--', 'true')).toMatchObject({ code: 4, stderr: expect.stringContaining('Redis is full') });
    expect(await local.nerve('pause', jobId)).toMatchObject({ code: 4, stderr: expect.stringContaining('Redis is full') });
    await until(
      () => Object.values(local.cloudState().attempts).some((a) => a.seen.jobId === jobId && a.seen.endedAtMs !== null),
      40_000,
      () => 'its training did not end',
    );
    await admin.config('SET', 'maxmemory', '0');
    admin.disconnect();
    await endsWell(local, jobId);
    await until(() => privateFiles(local).length === 0, 10_000);
  });

  it.runIf(disks)('has nothing to do with a checkpoint folder on a full disk: that is told, and training goes on', async () => {
    const folder = join(local.folder, 'full');
    // Room for entries of the log, not for a checkpoint.
    const disk = tinyDisk(folder, 32);
    const jobId = await submit(local, '--retries', '0', '--checkpoint-uri', `file://${folder}/checkpoints`, '--', ...trainerCommand(steps));
    const waited = await local.nerve('wait', jobId);
    const log = logOf(local, jobId, 1);
    disk?.unmount();
    expect({ code: waited.code, log }).toMatchObject({
      code: 0,
      log: expect.stringMatching(/is full.*\n?.*Training goes on without this checkpoint/),
    });
    expect(hashIn(log)).not.toBeNull();
  });
});

describe.runIf(disks)("Nerve's own folder on a disk that is full", () => {
  let local: Local;
  let disk: TinyDisk | null = null;
  beforeAll(async () => {
    local = await startLocal({
      seed: 'full-disk',
      onFolder: (folder) => (disk = tinyDisk(join(folder, 'state'), 4096)),
      onRemove: () => disk?.unmount(),
    });
  }, 60_000);
  afterAll(() => local?.stop());

  it('refuses a submit with 4, says why, leaves nothing behind; what runs goes on, and ends well once there is room', async () => {
    // Its checkpoints are elsewhere.
    const elsewhere = mkdtempSync(join(tmpdir(), 'ne-'));
    const jobId = await submit(local, '--checkpoint-uri', `file://${elsewhere}/c`, '--', ...trainerCommand(steps));
    await trains(local, jobId);
    const before = readdirSync(local.paths.jobsDir);
    disk?.fill();
    const [spoken, json] = await Promise.all([local.nerve('submit', ...OK, '--', 'true'), local.nerve('submit', '--json', ...OK, '--', 'true')]);
    expect(spoken).toMatchObject({ code: 4, stdout: '' });
    expect(spoken.stderr).toMatch(/no space left|Redis cannot write/);
    expect(spoken.stderr).not.toMatch(/fault of Nerve|^\s+at /m);
    expect(json).toMatchObject({ code: 4, stderr: '' });
    expect(readdirSync(local.paths.jobsDir)).toEqual(before);
    expect(local.up.exitCode).toBeNull();
    // Its program ends while nothing can be written down.
    await until(
      () => {
        // What others give free meanwhile is taken at once.
        disk?.fill();
        return readdirSync(local.paths.attemptDir(jobId, 1)).some((name) => name.startsWith('exit'));
      },
      40_000,
      () => 'its training did not end',
    );
    expect(sealLog(join(elsewhere, 'c')).at(-1)).toMatchObject({ type: 'checkpoint', final: true });
    expect(local.up.exitCode).toBeNull();
    disk?.makeRoom();
    await endsWell(local, jobId, join(elsewhere, 'c'));
    rmSync(elsewhere, { recursive: true, force: true });
  });
});

describe('a "nerve up"', () => {
  let folder = '';
  const running: { kill(signal: NodeJS.Signals): boolean }[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  function start(state: string, ...args: readonly string[]) {
    const env = { ...process.env, NERVE_STATE_DIR: state, NERVE_CACHE_DIR: join(process.env['HOME'] ?? '', '.cache', 'nerve') };
    const child = spawn(resolve('bin/nerve'), ['up', ...args], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    const told = { out: '', err: '' };
    child.stdout.on('data', (chunk: Buffer) => (told.out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (told.err += chunk.toString()));
    return { child, told, ended: once(child, 'close').then(([code]) => code as number | null) };
  }

  it('and another that starts at the same moment: one is up, the other is refused with 4', async () => {
    folder = mkdtempSync(join(tmpdir(), 'nu-'));
    const both = [start(folder), start(folder)];
    const code = await Promise.race(both.map((one) => one.ended));
    expect(code).toBe(4);
    const [winner] = both.filter((one) => one.child.exitCode === null);
    const [loser] = both.filter((one) => one.child.exitCode !== null);
    expect(loser?.told.err).toMatch(/Another "nerve up" of yours runs already|Several "nerve up" start at this moment/);
    await until(
      () => winner?.told.out.includes('Nerve is up.') === true,
      20_000,
      () => JSON.stringify(winner?.told),
    );
    expect(readUp(join(folder, 'local', 'up.json'))?.owner.pid).toBeGreaterThan(0);
    winner?.child.kill('SIGTERM');
    expect(await winner?.ended).toBe(0);
    expect(existsSync(join(folder, 'local', 'up.json'))).toBe(false);
  });

  it('in the background and another at the same moment: the refused one does not take the other for itself', async () => {
    folder = mkdtempSync(join(tmpdir(), 'nu-'));
    const both = [start(folder, '--detach', '--json'), start(folder, '--detach', '--json')];
    const codes = await Promise.all(both.map((one) => one.ended));
    expect(codes.toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual([0, 4]);
    const [winner, loser] = codes[0] === 0 ? both : both.toReversed();
    const up = readUp(join(folder, 'local', 'up.json'));
    expect(JSON.parse(winner?.told.out ?? '')).toMatchObject({ pid: up?.owner.pid });
    expect(JSON.parse(loser?.told.out ?? '')).toMatchObject({ error: { kind: 'refused', message: expect.stringMatching(/nerve up/) } });
    if (up !== null) {
      signalIfAlive(up.owner, 'SIGTERM');
      await until(() => !isAlive(up.owner), 15_000);
    }
  });

  it('whose folder cannot be used is refused with 4, says which and why, and starts nothing', async () => {
    folder = mkdtempSync(join(tmpdir(), 'nu-'));
    writeFileSync(join(folder, 'a-file'), '');
    for (const args of [[], ['--detach']]) {
      const { told, ended } = start(join(folder, 'a-file', 'state'), ...args);
      expect(await ended).toBe(4);
      expect(told.err).toMatch(/Cannot use .*a-file.*no folder/s);
      expect(told.err).toContain('NERVE_STATE_DIR');
      expect(told.err).not.toMatch(/fault of Nerve|^\s+at /m);
    }
  });

  it.runIf(disks)('on a full disk is refused with 4, and leaves no process behind', async () => {
    folder = mkdtempSync(join(tmpdir(), 'nu-'));
    const disk = tinyDisk(folder, 64);
    disk?.fill();
    const { told, ended } = start(join(folder, 'state'));
    const code = await ended;
    const left = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(folder));
    disk?.unmount();
    expect({ code, err: told.err }).toMatchObject({ code: 4, err: expect.stringMatching(/no space left/) });
    expect(left).toEqual([]);
  });
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
