import { describe, expect, it, test } from 'vitest';
import { count, table, usd } from '../../src/terminal/figures.ts';
import { asText, exitCodeOf } from '../../src/terminal/exit-code.ts';
import { toNerveError } from '../../src/terminal/tell-error.ts';
import { wrap } from '../../src/terminal/wrap.ts';
import { Errors } from '@oclif/core';
import { NerveError } from '../../src/engine/errors.ts';

describe('a long line', () => {
  const story = '18:03  Held: a window expected at 22:03 should cost less. Nothing is billed.';

  it('breaks between words, and goes on under its text', () => {
    expect(wrap(story, 48)).toBe('18:03  Held: a window expected at 22:03 should\n       cost less. Nothing is billed.');
  });

  it('is left alone in a pipe, and where it fits', () => {
    expect(wrap(story, undefined)).toBe(story);
    expect(wrap(story, 100)).toBe(story);
  });

  it('may be longer because of its colours', () => {
    const bold = `\u001b[1m${story}\u001b[22m`;
    expect(wrap(bold, story.length)).toBe(bold);
  });

  it('keeps the lines that it already has', () => {
    expect(wrap(`a\n${story}\nb`, 48).split('\n')).toHaveLength(4);
  });

  test.each([40, 60, 80, 120])('is never wider than %d columns', (columns) => {
    for (const line of wrap(`${story} ${story}\n  attempt 1  ${story}`, columns).split('\n')) expect(line.length).toBeLessThanOrEqual(columns);
  });
});

describe('an error', () => {
  test.each([
    ['Nonexistent flag: --x\nSee more help with --help', 'Nonexistent flag: --x.'],
    ['Parsing --last \n\tExpected an integer but received: x\nSee more help with --help', '--last: Expected an integer but received: x.'],
    ['Missing 1 required arg:\njob  id of the job\nSee more help with --help', 'JOB is missing: id of the job.'],
    ['The following error occurred:\n  \u001b[2mMissing required flag deadline\u001b[22m', 'Missing required flag --deadline.'],
  ])('of the parser is one sentence, and usage: %j', (raw, message) => {
    const told = toNerveError(new Errors.CLIError(raw), 'set');
    expect(told).toMatchObject({ kind: 'usage', message, hint: 'See "nerve set --help".' });
    expect(exitCodeOf(told)).toBe(2);
  });

  it('of ours is told as it is, without what the parser wrote before it', () => {
    const ours = new NerveError('refused', 'No.', { hint: 'Do this.' });
    expect(toNerveError(ours, 'up')).toBe(ours);
    expect(asText(ours)).toBe('nerve: No.\n       Do this.\n');
    expect(toNerveError(new NerveError('usage', 'Parsing --speed \n\t--speed must be 1.\nSee more help with --help'), 'up')).toMatchObject({
      kind: 'usage',
      message: '--speed must be 1.',
      hint: 'See "nerve up --help".',
    });
  });

  it('that nobody planned says so, with where it happened', () => {
    const told = toNerveError(new TypeError('x is undefined'), 'list');
    expect(told).toMatchObject({ kind: 'fatal', message: expect.stringMatching(/fault of Nerve itself: TypeError: x is undefined\n\s+at /) });
    expect(exitCodeOf(told)).toBe(1);
  });
});

it('figures are words that people use', () => {
  expect([count(0, 'job'), count(1, 'job'), count(2, 'process', 'processes')]).toEqual(['0 jobs', '1 job', '2 processes']);
  expect([usd(0.1234), usd(12.345), usd(-0.5)]).toEqual(['$0.123', '$12.35', '-$0.500']);
  expect(
    table([
      ['A', 'LONG'],
      ['wide', 'x'],
    ]),
  ).toBe('A     LONG\nwide  x');
});
