// What an end of Nerve on this machine ("nerve down", Ctrl-C of "nerve up") does to jobs that run: it costs them nothing, is nobody's
// failure and no interruption, and what is said of it is true.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readUp } from '../../src/adapters/local/up-file.ts';
import { type ClockAnchors, clockFrom } from '../../src/adapters/system/clock.ts';
import type { JobRecord } from '../../src/engine/record.ts';
import { report } from '../../src/engine/report.ts';
import { fold } from '../../src/engine/fold.ts';
import { type Local, startLocal, until } from '../support/local.ts';
import { sealLog, trainerCommand } from '../support/training.ts';

const OK = ['--deadline', '+24h', '--duration', '1h'] as const;
/** Far more than are done while this test runs. */
const MANY = 1_000_000;

let local: Local;
beforeAll(async () => {
  local = await startLocal({ seed: 'down' });
}, 60_000);
beforeEach(async () => {
  if (readUp(local.paths.upFile) === null) await local.startUp();
});
afterAll(() => local?.stop());

describe('the clock', () => {
  it('never begins before the instant at which the last one ended, though it was killed', async () => {
    const clock = clockFrom(anchors());
    const gone = once(local.up, 'exit');
    local.up.kill('SIGKILL');
    await gone;
    const endedMs = clock.nowMs();
    await local.startUp();
    expect(anchors().virtualMs).toBeGreaterThanOrEqual(endedMs);
  });
});

describe('an end of Nerve on this machine', () => {
  it('says nothing of running jobs where none ran', async () => {
    const held = await submit('--max-price', '0.01', '--', 'true');
    expect(await local.nerve('down')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/\nStopped\. 1 held job stays held; "nerve up" goes on with it\.\n/),
    });
    await local.startUp();
    expect((await local.nerve('cancel', held)).code).toBe(0);
    await until(async () => (await recordOf(held)).events.some((event) => event.type === 'finished'), 20_000);
    const gone = once(local.up, 'exit');
    process.kill(local.up.pid ?? 0, 'SIGINT');
    await gone;
    expect(local.printed()).toMatch(/\nStopped\. There were no jobs\.\n/);
    expect(local.printed()).not.toContain('asking running jobs');
  });

  it('costs a running job no retry, is no interruption, and the next "nerve up" goes on with it, from its last seal or anew', async () => {
    const plain = await submit('--retries', '0', '--', 'sh', '-c', 'echo began; sleep 300');
    const trained = await submit('--retries', '0', '--', ...trainerCommand(MANY));
    for (const jobId of [plain, trained]) {
      expect((await local.nerve('release', jobId)).code).toBe(0);
      await until(
        () => logOf(jobId, 1).includes(jobId === plain ? 'began' : 'step'),
        30_000,
        () => `${jobId} does not run`,
      );
    }
    await until(() => open(trained)?.seen.resumed !== null, 30_000);

    const down = await local.nerve('down', '--json');
    expect(JSON.parse(down.stdout)).toMatchObject({
      target: 'local',
      stopped: true,
      checkpointed: 1,
      earlierCheckpoint: 0,
      noCheckpoint: 1,
      held: 0,
    });
    await local.startUp();
    for (const jobId of [plain, trained])
      await until(
        () => open(jobId)?.seen.attempt === 2,
        30_000,
        () => `${jobId === plain ? 'plain' : 'trained'} does not go on`,
      );
    await until(() => (open(trained)?.seen.resumed ?? null) !== null, 30_000);

    const sealed = sealLog(local.paths.checkpointDir(trained)).find((entry) => entry.final === true);
    expect(open(trained)?.seen.resumed?.step).toBe(sealed?.step);
    for (const jobId of [plain, trained]) {
      const record = await recordOf(jobId);
      expect(fold(record)).toMatchObject({ finished: null, failures: 0 });
      expect(report(record).interruptions).toBe(0);
      const [asked, ended] = record.events.filter((e) => e.type === 'stop-requested' || e.type === 'ended');
      expect(asked).toMatchObject({ type: 'stop-requested', attempt: 1, request: 'down', reason: 'taken-down' });
      expect(ended).toMatchObject({ type: 'ended', attempt: 1, cause: 'stopped', reason: 'taken-down' });
      if (jobId === trained) expect(ended).toMatchObject({ lostWorkMs: 0 });
    }

    await until(() => logOf(plain, 2).includes('began'), 30_000);
    const again = await local.nerve('down');
    expect(again.stdout).toMatch(
      /\nStopped\. 1 running job was checkpointed, 1 running job had no checkpoint and begins again; "nerve up" goes on with them\.\n/,
    );
  });
});

function anchors(): ClockAnchors {
  const info = readUp(local.paths.upFile);
  if (info === null) throw new Error('nerve up does not run');
  return info.clock;
}

async function submit(...args: readonly string[]): Promise<string> {
  const ran = await local.nerve('submit', ...OK, ...args);
  expect(ran).toMatchObject({ code: 0 });
  return ran.stdout.trim();
}

async function recordOf(jobId: string): Promise<JobRecord> {
  const session = await local.session();
  try {
    const record = await session.queue.records.read(jobId);
    if (record === null) throw new Error(`there is no job ${jobId}`);
    return record;
  } finally {
    await session.close();
  }
}

const open = (jobId: string) => Object.values(local.cloudState().attempts).find(({ seen }) => seen.jobId === jobId && seen.endedAtMs === null);

function logOf(jobId: string, attempt: number): string {
  try {
    return readFileSync(join(local.paths.attemptDir(jobId, attempt), 'log'), 'utf8');
  } catch {
    return '';
  }
}
