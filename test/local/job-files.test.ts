import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { forgetStrayEnvironments, keepEnvironment } from '../../src/adapters/local/job-files.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nj-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const paths = {
  jobDir: (id: string) => join(folder, 'jobs', id),
  attemptDir: (id: string, attempt: number) => join(folder, 'jobs', id, `a${attempt}`),
};
const envOf = (id: string): string => join(paths.jobDir(id), 'env.json');

it('an environment is kept for its user alone', () => {
  keepEnvironment(paths, 'j-1', { SECRET: 'x', EMPTY: undefined });
  expect(JSON.parse(readFileSync(envOf('j-1'), 'utf8'))).toEqual({ SECRET: 'x' });
  expect(statSync(envOf('j-1')).mode & 0o777).toBe(0o600);
  expect(statSync(paths.jobDir('j-1')).mode & 0o777).toBe(0o700);
});

it('an environment that cannot be kept leaves nothing behind', () => {
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  expect(() => keepEnvironment(paths, 'j-1', circle as Record<string, string>)).toThrow('circular');
  expect(existsSync(paths.jobDir('j-1'))).toBe(false);
});

it('of jobs that were never taken old environments are taken away, and nothing else', () => {
  for (const id of ['j-live', 'j-never', 'j-young']) keepEnvironment(paths, id, {});
  writeFileSync(join(paths.jobDir('j-never'), 'log'), '');
  const old = Date.now() / 1000 - 3600;
  for (const id of ['j-live', 'j-never']) utimesSync(envOf(id), old, old);
  forgetStrayEnvironments(join(folder, 'jobs'), new Set(['j-live']), 600_000);
  expect(['j-live', 'j-never', 'j-young'].map((id) => existsSync(envOf(id)))).toEqual([true, false, true]);
  expect(existsSync(join(paths.jobDir('j-never'), 'log'))).toBe(true);
  expect(() => forgetStrayEnvironments(join(folder, 'nothing here'), new Set(), 0)).not.toThrow();
});
