import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import type { NerveError } from '../../src/engine/errors.ts';

let cwd = '';
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'nerve-config-'));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));
const file = (text: string, name = 'nerve.yaml'): void => writeFileSync(join(cwd, name), text);

function refusal(env: Record<string, string> = {}, flags = {}): NerveError {
  try {
    loadConfig({ env, cwd, flags });
  } catch (error) {
    return error as NerveError;
  }
  throw new Error('it was accepted');
}

describe('settings', () => {
  it('have defaults, and then no source', () => {
    const { config, sources } = loadConfig({ env: {}, cwd });
    expect(config.job).toMatchObject({ instanceTypes: ['g4dn.xlarge'], optimize: 'cost', retries: 3 });
    expect(config.target).toBeNull();
    expect(sources).toEqual({});
  });

  it('of a flag win over the environment, which wins over the file, which wins over the default', () => {
    file('target: local\njob:\n  retries: 1\n  optimize: carbon\n  zones: [euw3-az1]\n');
    const { config, sources } = loadConfig({
      env: { NERVE_RETRIES: '2', NERVE_OPTIMIZE: 'balanced', NERVE_TARGET: 'cluster' },
      cwd,
      flags: { target: 'local', job: { optimize: 'cost' } },
    });
    expect(config.job).toMatchObject({ retries: 2, optimize: 'cost', zones: ['euw3-az1'], instanceTypes: ['g4dn.xlarge'] });
    expect(config.target).toBe('local');
    expect(sources).toEqual({
      target: 'flag',
      'job.retries': 'NERVE_RETRIES',
      'job.optimize': 'flag',
      'job.zones': join(cwd, 'nerve.yaml'),
    });
  });

  it('that are lists are split at commas in the environment', () => {
    expect(loadConfig({ env: { NERVE_ZONES: 'euw3-az1, euw3-az3' }, cwd }).config.job.zones).toEqual(['euw3-az1', 'euw3-az3']);
  });

  it('of the file may leave whole parts out, and the file may be empty', () => {
    file('# nothing yet\n');
    expect(loadConfig({ env: {}, cwd }).config.job.retries).toBe(3);
    file('policy:\n  marginSeconds: 10\n');
    expect(loadConfig({ env: {}, cwd }).config.policy).toMatchObject({ marginSeconds: 10, maxMovesPerHour: 2 });
  });

  it('come from the file that NERVE_CONFIG names', () => {
    file('job: { retries: 7 }', 'other.yaml');
    expect(loadConfig({ env: { NERVE_CONFIG: join(cwd, 'other.yaml') }, cwd }).config.job.retries).toBe(7);
  });

  it('that are empty in the environment are not set', () => {
    expect(loadConfig({ env: { NERVE_RETRIES: '', NERVE_ZONES: '' }, cwd }).config.job).toMatchObject({ retries: 3, zones: null });
  });
});

describe('a setting that is wrong is refused, with its name and where it comes from', () => {
  test.each([
    [{ NERVE_RETRIES: 'many' }, 'job.retries', 'NERVE_RETRIES'],
    [{ NERVE_OPTIMIZE: 'money' }, 'job.optimize', 'NERVE_OPTIMIZE'],
    [{ NERVE_TARGET: 'moon' }, 'target', 'NERVE_TARGET'],
    [{ NERVE_ZONES: 'a,,b' }, 'job.zones', 'NERVE_ZONES'],
  ])('%j', (env, name, source) => {
    const error = refusal(env);
    expect(error).toMatchObject({ kind: 'usage', message: expect.stringContaining(`The setting ${name}`) });
    expect(error.hint).toContain(`It comes from ${source};`);
  });

  it('in the file', () => {
    file('policy:\n  marginSeconds: -5\n');
    expect(refusal()).toMatchObject({ message: expect.stringContaining('policy.marginSeconds'), hint: expect.stringContaining('nerve.yaml') });
  });

  it('as a flag', () => {
    expect(refusal({}, { target: 'moon' })).toMatchObject({ message: expect.stringContaining('target'), hint: expect.stringContaining('flag') });
  });

  it('because there is no such setting', () => {
    file('job:\n  instance_types: [g6.xlarge]\n');
    expect(refusal()).toMatchObject({ message: expect.stringContaining('instance_types'), hint: expect.stringContaining('nerve.yaml') });
  });

  test.each(['retries: [', '- a\n- b\n', 'just text'])('because the file holds no settings: %j', (text) => {
    file(text);
    expect(refusal()).toMatchObject({ kind: 'usage', message: expect.stringContaining('nerve.yaml') });
  });

  it('because the file that NERVE_CONFIG names is not there', () => {
    expect(refusal({ NERVE_CONFIG: join(cwd, 'nothing.yaml') })).toMatchObject({ kind: 'usage', hint: expect.stringContaining('NERVE_CONFIG') });
  });

  it('because a part is not a part', () => {
    file('job: 3\n');
    expect(refusal()).toMatchObject({ kind: 'usage', message: expect.stringContaining('job') });
  });
});
