import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pathsFor, runtimeDir } from '../../src/config/paths.ts';
import { engineSettings, timingFor } from '../../src/config/timing.ts';
import { loadConfig } from '../../src/config/load.ts';

it('state is where NERVE_STATE_DIR says, else where XDG says, else at home', () => {
  expect(pathsFor({ HOME: '/h', XDG_STATE_HOME: '/x', NERVE_STATE_DIR: '/n' }).state).toBe('/n');
  expect(pathsFor({ HOME: '/h', XDG_STATE_HOME: '/x' }).state).toBe('/x/nerve');
  expect(pathsFor({ HOME: '/h' }).state).toBe('/h/.local/state/nerve');
});

it('a job and its attempts have folders of their own', () => {
  const paths = pathsFor({ NERVE_STATE_DIR: '/n' });
  expect(paths.attemptDir('j-1', 2)).toBe('/n/jobs/j-1/a2');
  expect(paths.checkpointDir('j-1')).toBe('/n/checkpoints/j-1');
});

it('the folder for sockets is private, and there is none where XDG_RUNTIME_DIR is missing or no folder', () => {
  const base = mkdtempSync(join(tmpdir(), 'nerve-run-'));
  expect(runtimeDir({ XDG_RUNTIME_DIR: base })).toBe(join(base, 'nerve'));
  expect(statSync(join(base, 'nerve')).mode & 0o777).toBe(0o700);
  expect(runtimeDir({})).toBeNull();
  expect(runtimeDir({ XDG_RUNTIME_DIR: join(base, 'nothing') })).toBeNull();
  rmSync(base, { recursive: true });
});

it('a fast clock shortens periods, but never below what real processes need', () => {
  expect(timingFor(1)).toMatchObject({ sweepRealMs: 30_000, noticeRealMs: 120_000, checkpointEveryRealMs: null });
  const fast = timingFor(600);
  expect(fast).toMatchObject({ sweepRealMs: 1000, agentPollRealMs: 200, noticeRealMs: 8000, graceRealMs: 10_000 });
});

it('what takes real seconds is that many virtual ones in the rules of a fast clock', () => {
  const { config } = loadConfig({ env: {}, cwd: '/' });
  expect(engineSettings(config, 1)).toMatchObject({ noticeMs: 120_000, startOverheadMs: 300_000, maxMoves: 2 });
  expect(engineSettings(config, 600)).toMatchObject({ noticeMs: 8000 * 600, sweepMs: 600_000, startOverheadMs: 900_000 });
});
