// A drill on this machine: a real training process, its real hook, and it goes on afterwards.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Local, startLocal, TRAINER, until } from '../support/local.ts';

let local: Local;
beforeAll(async () => {
  local = await startLocal({ speed: 60 });
});
afterAll(() => local.stop());

it('times a real checkpoint, passes, and leaves the job running', async () => {
  const submitted = await local.nerve('submit', '-d', '+24h', '--duration', '2h', '--', 'python3', TRAINER, '--steps', '1000000');
  expect(submitted).toMatchObject({ code: 0 });
  const job = submitted.stdout.trim();
  expect(await local.nerve('release', job)).toMatchObject({ code: 0 });
  const session = await local.session();
  const running = async (): Promise<boolean> =>
    (await session.cloud.attempts({ jobId: job })).some((a) => a.phase === 'running' && (a.progress?.step ?? 0) > 0);
  await until(running, 60_000, () => `it does not run: ${JSON.stringify(local.cloudState().attempts)}`);
  const { code, stdout, stderr } = await local.nerve('drill', job, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const report = JSON.parse(stdout) as { checkpointMs: number; bytes: number };
  expect(report).toMatchObject({ target: 'local', jobId: job, passed: true, error: null });
  expect(report.checkpointMs).toBeGreaterThan(0);
  expect(report.bytes).toBeGreaterThan(0);
  const [after] = await session.cloud.attempts({ jobId: job });
  expect(after).toMatchObject({ phase: 'running', stopRequest: null, node: { cordonedBy: null } });
  expect((await local.nerve('checkpoints', job)).stdout).toMatch(/^0000000002 +1 +\d+\/1000000 .* asked$/m);
  await local.nerve('cancel', job);
});

it('moves a real training process to another zone, where it resumes at the sealed step', async () => {
  const submitted = await local.nerve('submit', '-d', '+24h', '--duration', '2h', '--', 'python3', TRAINER, '--steps', '1000000');
  const job = submitted.stdout.trim();
  expect(await local.nerve('release', job)).toMatchObject({ code: 0 });
  const session = await local.session();
  const running = async (): Promise<boolean> =>
    (await session.cloud.attempts({ jobId: job })).some((a) => a.phase === 'running' && (a.progress?.step ?? 0) > 0);
  await until(running, 60_000, () => `it does not run: ${JSON.stringify(local.cloudState().attempts)}`);
  const { code, stdout, stderr } = await local.nerve('drill', job, '--move', '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const report = JSON.parse(stdout) as { step: number; resumedStep: number; fromZone: string; toZone: string };
  expect(report).toMatchObject({ target: 'local', jobId: job, passed: true, error: null, resumedStep: report.step });
  expect(report.step).toBeGreaterThan(0);
  expect(report.toZone).not.toBe(report.fromZone);
  await local.nerve('cancel', job);
});

it('refuses a job that does not run', async () => {
  const { stdout } = await local.nerve('submit', '-d', '+200h', '--duration', '1h', '--max-price', '0.0001', '--', 'true');
  expect(await local.nerve('drill', stdout.trim())).toMatchObject({ code: 4, stderr: expect.stringContaining('does not run now') });
});
