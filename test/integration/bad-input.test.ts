// Bad input and bad luck, each on the command line as a user meets it: what is said, the exit code, and what is left behind. One real
// local cluster for all of them, restarted where a case kills it.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { readUp } from '../../src/adapters/local/up-file.ts';
import { identify, isAlive, type ProcessIdentity } from '../../src/adapters/process/identity.ts';
import type { JobState } from '../../src/engine/state.ts';
import { readJob, request } from '../../src/intake/request.ts';
import { type Local, type Ran, startLocal, until } from '../support/local.ts';
import { hashIn, sealLog, stepsFor, trainerCommand, twoAtOnce, uninterruptedHash } from '../support/training.ts';

let local: Local;
/** For a training that is interrupted, and for one that only has to run to its end. */
let [steps, few] = [0, 0];
let [hash, hashOfFew] = ['', ''];
beforeAll(async () => {
  steps = await stepsFor(4);
  few = Math.ceil(steps / 4);
  [hash, hashOfFew, local] = await Promise.all([uninterruptedHash(steps), uninterruptedHash(few), startLocal({ seed: 'bad-input' })]);
}, 120_000);
afterAll(() => local?.stop());

const OK = ['--deadline', '+12h', '--duration', '1h'] as const;
/** Saves early: a machine that was busy when it was measured trains faster than thought, and must not be done before its first save. */
const saving = (count: number): readonly string[] => ['env', 'NERVE_CHECKPOINT_EVERY=0.3', ...trainerCommand(count)];
const AT = (deadline: string): readonly string[] => ['--deadline', deadline, '--duration', '1h'];

describe('a submit that cannot be', () => {
  test.each<[string, number, RegExp, RegExp, readonly string[]]>([
    [
      'a deadline in the past',
      2,
      /in the past: Wed 1 Jan 2020/,
      /Examples: \+6h/,
      ['--deadline', '2020-01-01T00:00Z', '--duration', '1h', '--', 'true'],
    ],
    ['an unreadable deadline', 2, /Cannot read the deadline "whenever"/, /Examples/, ['--deadline', 'whenever', '--duration', '1h', '--', 'true']],
    ['an ambiguous deadline', 2, /morning or evening; write 08:00/, /Examples/, ['--deadline', '8', '--duration', '1h', '--', 'true']],
    ['a deadline that comes twice', 2, /comes twice that night/, /\+01:00/, [...AT('2027-10-31 02:30 Europe/Paris'), '--', 'true']],
    ['a deadline that never comes', 2, /skipped that night/, /Examples/, [...AT('2027-03-28 02:30 Europe/Paris'), '--', 'true']],
    ['a day that is none', 2, /Cannot read the deadline "2027-02-30 08:00"/, /Examples/, [...AT('2027-02-30 08:00'), '--', 'true']],
    ['an unknown time zone', 2, /"Mars\/Olympus" is not a time zone/, /Europe\/Paris/, [...OK, '--time-zone', 'Mars/Olympus', '--', 'true']],
    ['no deadline', 2, /--deadline is missing/, /--deadline "tomorrow 8am"/, ['--duration', '1h', '--', 'true']],
    ['no duration, in a pipe', 2, /--duration is missing, and no run of "true"/, /--duration 2h30m/, ['--deadline', '+6h', '--', 'true']],
    ['an unreadable duration', 2, /"long" is not a duration/, /90m/, ['--deadline', '+6h', '--duration', 'long', '--', 'true']],
    ['no command', 2, /no command/, /after two dashes/, [...OK]],
    ['an unknown zone', 2, /no zone "mars-1"/, /euw3-az1, euw3-az2, euw3-az3/, [...OK, '--zone', 'mars-1', '--', 'true']],
    ['an unknown type', 2, /"p9.huge" is not offered/, /g4dn.xlarge/, [...OK, '--instance-type', 'p9.huge', '--', 'true']],
    ['a checkpoint place that is none', 2, /not a place for checkpoints/, /s3:/, [...OK, '--checkpoint-uri', 'here', '--', 'true']],
    ['a price cap of nothing', 2, /--max-price/, /./, [...OK, '--max-price', '0', '--', 'true']],
    ['a flag that does not exist', 2, /no-such-flag/, /./, [...OK, '--no-such-flag', '--', 'true']],
    ['a file that does not exist', 2, /Cannot read the job file nothing.yaml/, /--file/, ['--file', 'nothing.yaml']],
    [
      'an infeasible deadline',
      4,
      /cannot be met: it is \d+ h( \d+ min)? too short/,
      /nearest deadline that can be promised is .*\+1\d h/,
      ['--deadline', '+2h', '--duration', '10h', '--', 'true'],
    ],
  ])('with %s ends with %d', async (_what, code, message, hint, args) => {
    const [spoken, json] = await Promise.all([local.nerve('submit', ...args), local.nerve('submit', '--json', ...args)]);
    expect(spoken).toMatchObject({ code, stdout: '' });
    expect(spoken.stderr).toMatch(message);
    expect(spoken.stderr).toMatch(hint);
    expect(spoken.stderr).not.toMatch(/^\s+at /m);
    expect(json).toMatchObject({ code, stderr: '' });
    expect(errorOf(json)).toMatchObject({ kind: code === 4 ? 'refused' : 'usage', message: expect.stringMatching(message) });
  });

  it('leaves nothing behind', async () => {
    expect(await leftBehind()).toEqual([]);
    expect(JSON.parse((await local.nerve('list', '--json')).stdout)).toMatchObject({ jobs: [] });
  });
});

test.each([
  ['status'],
  ['explain'],
  ['report'],
  ['report', '--events'],
  ['cancel'],
  ['pause'],
  ['resume'],
  ['release'],
  ['set', '--deadline', '+6h'],
  ['logs'],
  ['wait'],
])('%s of an unknown job ends with 102', async (command, ...args) => {
  const ran = await local.nerve(command, 'j-nobody00', ...args);
  expect(ran).toMatchObject({ code: 102, stderr: expect.stringContaining('There is no job j-nobody00.') });
  expect(ran.stderr).toContain('nerve list');
});

test.each([[['up']], [['up', '--detach']]])('a second %j is refused', async (args) => {
  const ran = await local.nerve(...args);
  expect(ran).toMatchObject({ code: 4, stderr: expect.stringContaining('Another "nerve up" of yours runs already') });
  expect(ran.stderr).toContain('nerve down');
  expect(readUp(local.paths.upFile)).not.toBeNull();
});

describe('a Redis', () => {
  it('that is away at submit ends it with 3, and nothing is left behind', async () => {
    const socket = readUp(local.paths.upFile)?.redisUrl ?? '';
    renameSync(socket, `${socket}.away`);
    const [spoken, json] = await Promise.all([local.nerve('submit', ...OK, '--', 'true'), local.nerve('submit', '--json', ...OK, '--', 'true')]);
    renameSync(`${socket}.away`, socket);
    expect(spoken).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('cannot reach Redis') });
    expect(spoken.stderr).toContain('nerve up');
    expect(json.code).toBe(3);
    expect(errorOf(json).kind).toBe('unreachable');
    expect(await leftBehind()).toEqual([]);
  });

  it('that is full refuses new jobs with 4, and nothing is left behind', async () => {
    const admin = new Redis({ path: readUp(local.paths.upFile)?.redisUrl ?? '' });
    await admin.config('SET', 'maxmemory', '1');
    const ran = await local.nerve('submit', ...OK, '--', 'true');
    await admin.config('SET', 'maxmemory', '0');
    admin.disconnect();
    expect(ran).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('Redis is full') });
    expect(await leftBehind()).toEqual([]);
  });
});

describe('a command', () => {
  test.each([
    ['that does not exist', ['./no-such-program'], /no-such-program.*not found/],
    ['that fails at once', ['sh', '-c', 'echo the data is missing >&2; exit 3'], /the data is missing/],
  ])('%s fails after its retries, and the tail of its log is shown', async (_what, command, tail) => {
    const jobId = await submit(...OK, '--retries', '1', '--', ...command);
    const waited = await ended(jobId);
    expect(waited.code).toBe(100);
    expect(waited.stdout).toMatch(/failed/);
    expect(waited.stdout).toMatch(tail);
    expect(JSON.parse((await local.nerve('report', jobId, '--json')).stdout)).toMatchObject({
      result: 'failed',
      attempts: [{ cause: 'failed' }, { cause: 'failed' }],
    });
    expect((await local.nerve('status', jobId)).stdout).toMatch(tail);
    expect((await local.nerve('explain', jobId)).stdout).toMatch(/--retries/);
    expect((await local.nerve('cancel', jobId)).code).toBe(4);
    await until(async () => (await leftBehind()).length === 0, 10_000);
  });
});

describe('a checkpoint folder', () => {
  it('that cannot be written fails the job, with the reason', async () => {
    writeFileSync(join(local.folder, 'a-file'), '');
    const uri = `file://${join(local.folder, 'a-file', 'run')}`;
    const jobId = await submit(...OK, '--retries', '0', '--checkpoint-uri', uri, '--', ...trainerCommand(steps));
    const waited = await ended(jobId);
    expect(waited.code).toBe(100);
    expect(waited.stdout).toContain('a-file');
    expect(waited.stdout).not.toContain('Traceback');
  });

  it('that is full is told, and training goes on', async () => {
    // A limit on the size of files is what a small machine can do about a full disk: the write fails half way.
    const jobId = await submit(...OK, '--retries', '0', '--', 'sh', '-c', `ulimit -f 8; exec ${saving(few).join(' ')}`);
    const waited = await ended(jobId);
    expect({ code: waited.code, log: logOf(jobId, 1) }).toMatchObject({
      code: 0,
      log: expect.stringContaining('Training goes on without this checkpoint'),
    });
    expect(hashIn(logOf(jobId, 1))).toBe(hashOfFew);
  });
});

describe('a job', () => {
  it('goes on from the checkpoint before, and says so, when the newest is corrupt', async () => {
    const jobId = await submit(...OK, '--', ...saving(steps));
    await local.nerve('release', jobId);
    const dir = local.paths.checkpointDir(jobId);
    const sealed = () => (existsSync(join(dir, 'seal')) ? sealLog(dir).filter((e) => e.type === 'checkpoint') : []);
    await until(
      () => sealed().length > 0,
      40_000,
      () => 'nothing was sealed',
    );
    expect((await local.nerve('pause', jobId)).code).toBe(0);
    await reached(jobId, (s) => s.phase === 'held');
    const newest = sealed().at(-1);
    const before = sealed().at(-2);
    expect(newest).toMatchObject({ final: true });
    expect(corrupt(dir, newest?.number ?? 0)).toBeGreaterThan(0);
    expect((await local.nerve('resume', jobId)).code).toBe(0);
    expect((await ended(jobId)).code).toBe(0);
    const last = (await stateOf(jobId)).attempts.at(-1)?.attempt ?? 0;
    expect(logOf(jobId, last)).toMatch(new RegExp(`cannot be used.*\\n.*using checkpoint \\d+ \\(step ${before?.step}\\) instead`));
    expect(logOf(jobId, last)).toContain(`resumed at step ${before?.step} `);
    expect(hashIn(logOf(jobId, last))).toBe(hash);
    expect(twoAtOnce(sealLog(dir))).toBeNull();
  });

  it('can be held, explained, postponed, released, watched and accounted for', async () => {
    const jobId = await submit('--deadline', '+30h', '--duration', '1h', '--name', 'walk', '--', ...trainerCommand(few));
    expect((await local.nerve('pause', jobId)).stdout).toContain('nerve resume');
    await reached(jobId, (s) => s.phase === 'held' && s.pausedByUser);
    const impatient = local.nerve('wait', jobId, '--timeout', '1s');
    expect(JSON.parse((await local.nerve('status', jobId, '--json')).stdout)).toMatchObject({ jobId, name: 'walk', phase: 'held' });
    expect((await local.nerve('explain', jobId)).stdout).toMatch(/held because you paused it/);
    const far = await local.nerve('set', jobId, '--deadline', '+40h', '--json');
    expect(JSON.parse(far.stdout)).toMatchObject({ jobId, deadlineMs: expect.any(Number) });
    expect(await local.nerve('set', jobId, '--deadline', '+1m')).toMatchObject({ code: 4, stderr: expect.stringContaining('too short') });
    expect(await local.nerve('set', jobId, '--deadline', 'today 00:00')).toMatchObject({ code: 2 });
    expect((await local.nerve('list')).stdout).toMatch(new RegExp(`${jobId}\\s+walk\\s.*paused`));
    expect(await impatient).toMatchObject({ code: 101 });

    expect((await local.nerve('release', jobId)).code).toBe(0);
    const following = local.nerve('logs', jobId, '-f');
    expect((await local.nerve('wait', jobId)).code).toBe(0);
    const followed = await following;
    expect(followed.code).toBe(0);
    expect(hashIn(followed.stdout)).toBe(hashOfFew);
    expect((await local.nerve('logs', jobId)).stdout).toBe(followed.stdout);
    expect((await local.nerve('logs', jobId, '--attempt', '99')).code).toBe(102);

    const ledger = await local.nerve('report', jobId);
    expect(ledger.stdout).toMatch(/^this machine \(simulated market/);
    expect(ledger.stdout).toMatch(/starting at once, on demand, uninterrupted/);
    expect(ledger.stdout).toMatch(/simulated: prices, availability, carbon/);
    const kept = await local.nerve('report', jobId, '--json');
    expect(JSON.parse(kept.stdout)).toMatchObject({ jobId, result: 'succeeded', deadlineMet: true });
    const events = await local.nerve('report', jobId, '--events', '--json');
    expect(recount(events.stdout, kept.stdout)).toEqual({ code: 0, stderr: '' });
    const dearer = events.stdout.replace(/("usage": \[[^\]]*?"priceUsdPerHour": )/, (start) => `${start}1`);
    expect(recount(dearer, kept.stdout)).toMatchObject({ code: 1, stderr: expect.stringContaining('costUsd') });
    await until(async () => (JSON.parse((await local.nerve('report', '--json')).stdout) as { jobs: number }).jobs > 0, 10_000);
    // The name is known now: its duration is learnt.
    expect((await local.nerve('quote', '--deadline', '+30h', '--name', 'walk', '--', 'true')).stdout).toMatch(/median of 1 finished run of "walk"/);
  });

  it('that runs can be cancelled: it ends, and leaves no process', async () => {
    const jobId = await submit(...OK, '--', ...trainerCommand(steps * 10));
    await local.nerve('release', jobId);
    await trains(jobId);
    const processes = trainingOf(jobId);
    expect(processes).toHaveLength(1);
    expect(await local.nerve('cancel', jobId)).toMatchObject({ code: 0 });
    expect(await local.nerve('wait', jobId)).toMatchObject({ code: 103 });
    expect(processes.filter(isAlive)).toEqual([]);
    await until(async () => (await leftBehind()).length === 0, 10_000);
    expect(JSON.parse((await local.nerve('report', jobId, '--json')).stdout)).toMatchObject({ result: 'cancelled' });
  });
});

describe('a "nerve up" that', () => {
  it('was killed leaves its children, and the next one ends exactly those; the job goes on', async () => {
    const jobId = await submit(...OK, '--', ...trainerCommand(steps));
    await local.nerve('release', jobId);
    await trains(jobId);
    const own = [...Object.values(local.children()), ...trainingOf(jobId)];
    const stranger = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
    const strangerIs = identify(stranger.pid ?? 0);
    const gone = once(local.up, 'exit');
    local.up.kill('SIGKILL');
    await gone;
    // Redis and the training process outlive it.
    expect(own.filter(isAlive).length).toBeGreaterThanOrEqual(2);
    expect(await local.nerve('list')).toMatchObject({ code: 3, stderr: expect.stringContaining('nerve up') });

    await local.startUp();
    expect(local.printed()).toMatch(/A killed "nerve up" had left \d+ process(es)? behind/);
    expect(local.printed()).toMatch(/1 live job goes on/);
    expect(own.filter(isAlive)).toEqual([]);
    expect(strangerIs !== null && isAlive(strangerIs)).toBe(true);
    stranger.kill('SIGKILL');
    expect((await ended(jobId)).code).toBe(0);
    const state = await stateOf(jobId);
    expect(state.failures).toBe(0);
    expect(hashIn(logOf(jobId, state.attempts.at(-1)?.attempt ?? 0))).toBe(hash);
    expect(twoAtOnce(sealLog(local.paths.checkpointDir(jobId)))).toBeNull();
  });

  it('gets Ctrl-C checkpoints what runs, leaves what is held, and says so; the next one goes on with both', async () => {
    const running = await submit(...OK, '--', ...trainerCommand(steps));
    await local.nerve('release', running);
    const held = await submit('--deadline', '+48h', '--duration', '1h', '--max-price', '0.01', '--', 'true');
    await trains(running);
    const own = [...Object.values(local.children()), ...trainingOf(running)];
    const gone = once(local.up, 'exit');
    // As a terminal does it: to the whole foreground group.
    process.kill(-(local.up.pid ?? 0), 'SIGINT');
    expect(await gone).toEqual([0, null]);
    expect(local.printed()).toMatch(/1 running job was checkpointed, 1 held job stays held/);
    expect(own.filter(isAlive)).toEqual([]);
    expect(existsSync(local.paths.upFile)).toBe(false);
    expect(sealLog(local.paths.checkpointDir(running)).at(-1)).toMatchObject({ type: 'checkpoint', final: true });

    await local.startUp();
    expect(local.printed()).toMatch(/2 live jobs go on/);
    expect((await ended(running)).code).toBe(0);
    const state = await stateOf(running);
    expect(state).toMatchObject({ failures: 0, finished: { result: 'succeeded' } });
    expect(hashIn(logOf(running, state.attempts.at(-1)?.attempt ?? 0))).toBe(hash);
    expect((await stateOf(held)).phase).toBe('held');
    expect((await local.nerve('cancel', held)).code).toBe(0);
  });

  it('is ended by "nerve down" is gone, and then every command says what to do', async () => {
    const own = Object.values(local.children());
    expect(await local.nerve('down')).toMatchObject({ code: 0, stdout: expect.stringContaining('Stopped') });
    expect(own.filter(isAlive)).toEqual([]);
    const refused = await Promise.all([['list'], ['submit', ...OK, '--', 'true'], ['down']].map((command) => local.nerve(...command)));
    for (const ran of refused) expect(ran).toMatchObject({ code: 3, stderr: expect.stringContaining('Start it here with "nerve up"') });
  });
});

/** Another language adds up what the record says, and compares it with what Nerve reports. */
function recount(events: string, report: string): { readonly code: number | null; readonly stderr: string } {
  const file = join(local.paths.state, 'report.json');
  writeFileSync(file, report);
  const ran = spawnSync('python3', [resolve('examples/recount.py'), '--check', file], { input: events, encoding: 'utf8' });
  return { code: ran.status, stderr: ran.stderr };
}

async function submit(...args: readonly string[]): Promise<string> {
  const ran = await local.nerve('submit', ...args);
  expect(ran).toMatchObject({ code: 0 });
  return ran.stdout.trim();
}

async function stateOf(jobId: string): Promise<JobState> {
  const session = await local.session();
  try {
    return (await readJob(session.queue.records, jobId)).state;
  } finally {
    await session.close();
  }
}

/** Waits for the end, as `nerve wait` says it; whenever the job is held for a better window meanwhile, it is released. */
async function ended(jobId: string): Promise<Ran> {
  const session = await local.session();
  const { records, alarms } = session.queue;
  await until(
    async () => {
      const { state } = await readJob(records, jobId);
      if (state.finished === null && state.phase === 'held' && !state.releaseRequested)
        await request(records, alarms, jobId, () => ({ type: 'release-requested', atMs: session.clock.nowMs() }));
      return state.finished !== null;
    },
    60_000,
    () => `job ${jobId} did not end`,
  );
  await session.close();
  return local.nerve('wait', jobId);
}

const reached = (jobId: string, condition: (state: JobState) => boolean): Promise<void> =>
  until(
    async () => condition(await stateOf(jobId)),
    40_000,
    () => `job ${jobId} did not get there`,
  );

/** The newest attempt trains: it has reported a step. */
const trains = (jobId: string): Promise<void> =>
  until(
    () =>
      Object.values(local.cloudState().attempts).some((a) => a.seen.jobId === jobId && a.seen.endedAtMs === null && (a.seen.progress?.step ?? 0) > 0),
    40_000,
    () => `job ${jobId} does not train`,
  );

const trainingOf = (jobId: string): readonly ProcessIdentity[] =>
  Object.values(local.cloudState().attempts).flatMap((a) => (a.seen.jobId === jobId && a.process !== null && isAlive(a.process) ? [a.process] : []));

const logOf = (jobId: string, attempt: number): string => readFileSync(join(local.paths.attemptDir(jobId, attempt), 'log'), 'utf8');

/** Live jobs, and private files of jobs: what a refused submit must not leave. */
async function leftBehind(): Promise<readonly string[]> {
  const session = await local.session();
  const live = await session.queue.records.live();
  await session.close();
  const folder = join(local.paths.state, 'jobs');
  return [...live, ...(existsSync(folder) ? readdirSync(folder).filter((job) => existsSync(join(folder, job, 'env.json'))) : [])];
}

const errorOf = (ran: Ran): { kind: string; message: string; hint: string | null } =>
  (JSON.parse(ran.stdout) as { error: { kind: string; message: string; hint: string | null } }).error;

/** Cuts the biggest file of a sealed checkpoint in half; answers how many bytes it had. */
function corrupt(dir: string, number: number): number {
  const seal = JSON.parse(readFileSync(join(dir, 'seal', `${String(number).padStart(10, '0')}.json`), 'utf8')) as {
    readonly data: string;
    readonly files: readonly { readonly name: string; readonly bytes: number }[];
  };
  const [biggest] = seal.files.toSorted((a, b) => b.bytes - a.bytes);
  if (biggest === undefined) throw new Error('it has no files');
  truncateSync(join(dir, seal.data, biggest.name), Math.floor(biggest.bytes / 2));
  return biggest.bytes;
}
