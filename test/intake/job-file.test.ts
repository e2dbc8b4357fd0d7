import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import { readAsked, readJobFile } from '../../src/intake/job-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'nerve-job-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(text: string): string {
  const path = join(folder, 'job.yaml');
  writeFileSync(path, text);
  return path;
}

describe('a job file', () => {
  it('has the names of the flags', () => {
    const path = written(`
name: nightly
deadline: tomorrow 8am
duration: 2h
command: [python, train.py]
zones: [euw3-az1]
instance-types: [g4dn.xlarge]
max-price: 0.3
retries: 0
`);
    expect(readJobFile(path)).toEqual({
      name: 'nightly',
      deadline: 'tomorrow 8am',
      duration: '2h',
      command: ['python', 'train.py'],
      zones: ['euw3-az1'],
      'instance-types': ['g4dn.xlarge'],
      'max-price': 0.3,
      retries: 0,
    });
  });

  it('may write the command as one line, which a shell then reads', () => {
    expect(readJobFile(written('command: make data && python train.py\n')).command).toEqual(['/bin/sh', '-c', 'make data && python train.py']);
  });

  it('may write a time of day without quotes', () => {
    // YAML 1.1 would read 18:00 as the number 1080.
    expect(readJobFile(written('deadline: 18:00\n')).deadline).toBe('18:00');
  });

  test.each([
    ['retires: 3', 'retires'],
    ['retries: many', 'retries'],
    ['retries: -1', 'retries'],
    ['max-price: 0', 'max-price'],
    ['optimize: money', 'optimize'],
    ['command: []', 'command'],
    ['- a\n- b', 'the file'],
  ])('with a fault is refused with the name of it: %s', (text, name) => {
    const path = written(text);
    expect(() => readJobFile(path)).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringMatching(new RegExp(`job\\.yaml.*${name}`)) }),
    );
  });

  it('that is no YAML is refused', () => {
    expect(() => readJobFile(written('a: [1'))).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringContaining('not valid YAML') }),
    );
  });

  it('that is not there is refused', () => {
    expect(() => readJobFile(join(folder, 'nothing.yaml'))).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringContaining('nothing.yaml'), hint: expect.stringContaining('--file') }),
    );
  });

  it('that is empty says nothing', () => {
    expect(readJobFile(written(''))).toEqual({});
  });
});

describe('a file for a cluster', () => {
  const pod = 'spec: {containers: [{name: c, image: i}]}';

  it('may be a whole Pod or Job, taken as it is', () => {
    expect(readAsked(written(`apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n${pod}\n`)).manifest).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a' },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    expect(
      readAsked(written(`apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {suspend: false, template: {${pod}}}\n`)).manifest?.spec,
    ).toMatchObject({ suspend: false });
  });

  it('may hold a template among its settings, or be one', () => {
    expect(readAsked(written(`deadline: +6h\ntemplate: {${pod}}\n`)).file).toMatchObject({
      deadline: '+6h',
      template: { spec: { containers: [{ image: 'i' }] } },
    });
    expect(readAsked(written(`metadata: {labels: {a: b}}\n${pod}\n`)).file.template).toMatchObject({ metadata: { labels: { a: 'b' } } });
  });

  test.each([
    [`apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n`, /is a apps\/v1 Deployment; Nerve runs/],
    [`apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n`, /job\.yaml: spec/],
    [`apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n`, /spec\.containers/],
    [`template: {spec: {containers: [{name: c}]}}\n`, /template\.spec\.containers\.0\.image/],
    [`kind: Pod\n---\nkind: Pod\n`, /holds 2 documents/],
  ])('with a fault is refused: %s', (text, words) => {
    expect(() => readAsked(written(text))).toThrow(expect.objectContaining({ kind: 'usage', message: expect.stringMatching(words) }));
  });

  it('is refused on this machine, which runs no pods', () => {
    expect(() => readJobFile(written(`template: {${pod}}\n`))).toThrow(
      expect.objectContaining({ kind: 'usage', hint: expect.stringContaining('--target cluster') }),
    );
  });
});
