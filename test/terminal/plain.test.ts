// What a user's program or name holds reaches a terminal as text, and commands nothing there.

import { describe, expect, it } from 'vitest';
import { failureLines } from '../../src/terminal/describe.ts';
import { drillLines, drillReport } from '../../src/terminal/drill-job.ts';
import { nameCell, plain } from '../../src/terminal/plain.ts';
import { podExplanation, podLines, podSentence, podTable } from '../../src/terminal/pod-words.ts';
import { jobOf } from '../../src/terminal/pod-job.ts';

const ESC = '\u001B';
/** Everything that a terminal would act on, but the ends of our own lines. */
// oxlint-disable-next-line no-control-regex -- that is what it is about
const ACTS = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]/;

describe('text of others', () => {
  it.each([
    ['colours', `${ESC}[31mred${ESC}[0m`, 'red'],
    ['a window title', `${ESC}]0;owned\u0007after`, 'after'],
    ['a title that never ends', `${ESC}]0;owned`, ';owned'],
    ['an escape of its own', `a${ESC}`, 'a\\x1b'],
    ['a line break', 'we\nird', 'we\\nird'],
    ['a bell and a delete', 'a\u0007b\u007F', 'a\\x07b\\x7f'],
    ['a C1 control', 'a\u009B31mb', 'ab'],
    ['marks that turn the direction of writing', 'a\u202Eb', 'a\\u202eb'],
    ['letters of every script', 'Zürich 東京 🙂', 'Zürich 東京 🙂'],
  ])('is shown without %s', (_, text, shown) => {
    expect(plain(text)).toBe(shown);
    expect(plain(text)).not.toMatch(ACTS);
  });

  it('fits a table', () => {
    expect(nameCell('train')).toBe('train');
    expect(Array.from(nameCell('🙂'.repeat(300)))).toHaveLength(32);
    expect(nameCell('x'.repeat(33))).toBe(`${'x'.repeat(31)}…`);
  });
});

it('shows the end of a failed output as a terminal would have left it, without what commands one', () => {
  const lines = failureLines(`${ESC}]0;owned\u0007one\ttwo\r\n10 %\r20 %\r${ESC}[2Jdone${ESC}[0m\n`, 1);
  expect(lines).toEqual(['its last failure (exit code 1) printed:', '  | one two', '  | done']);
});

it('shows what stands on pods, and what a hook answered, the same way', () => {
  const evil = `${ESC}[31m\u0007`;
  const job = jobOf([
    {
      metadata: {
        name: 'p',
        labels: { 'nerve.io/job-id': 'j-1' },
        annotations: {
          'nerve.io/state': `running${evil}`,
          'nerve.io/plan': JSON.stringify({ zone: evil, capacityType: evil, start: '2026-11-25T10:00:00Z' }),
        },
      },
      spec: { containers: [] },
      status: { phase: 'Pending', containerStatuses: [{ name: 'main', state: { waiting: { reason: `Creating${evil}`, message: evil } } }] },
    },
  ]);
  if (job === null) throw new Error('no job');
  const said = [
    podSentence(job, 0),
    podTable([job], 0),
    ...podLines(job, 0),
    podExplanation(job, 0).sentence,
    JSON.stringify(podExplanation(job, 0).numbers),
  ];
  said.push(...drillLines(drillReport('local', 'j-1', { nonce: 'n', sealed: null, error: evil }, null)));
  for (const text of said) expect(text).not.toMatch(ACTS);
  expect(job.phase).toBe(`running${evil}`);
});
