// What anyone who may patch a pod can write: it is answered at once, and never with a number that breaks what reads it.

import { describe, expect, it } from 'vitest';
import { attemptNumber } from '../../../src/engine/pod/observe.ts';
import { POD } from '../../../src/engine/pod/names.ts';
import { launchedAs, length, withoutLastSlashes } from '../../../src/engine/pod/read.ts';
import { pod } from './pods.ts';

const MS_A_TEXT = 200;
const took = (act: () => unknown): number => {
  const fromMs = performance.now();
  act();
  return performance.now() - fromMs;
};

describe('a length', () => {
  it.each([
    ['90m', 5_400_000],
    ['2h30m', 9_000_000],
    ['1.5h', 5_400_000],
    ['3650d', 315_360_000_000],
  ])('%s', (text, ms) => expect(length(text)).toBe(ms));

  it.each(['', '0s', '999999999999999d', `${'9'.repeat(400)}h`, '3651d', '1h nonsense'])('%j says nothing', (text) => {
    expect(length(text)).toBe(null);
  });

  it('of a quarter of a million digits is answered at once: nobody beats and no gate opens meanwhile', () => {
    expect(took(() => length('1'.repeat(250_000)))).toBeLessThan(MS_A_TEXT);
  });
});

describe('the last slashes of a URI', () => {
  it('go', () => {
    expect(withoutLastSlashes('s3://bucket/run//')).toBe('s3://bucket/run');
    expect(withoutLastSlashes('s3://bucket/run')).toBe('s3://bucket/run');
  });

  it('at once, however many there are before something else', () => {
    expect(took(() => withoutLastSlashes(`s3://b${'/'.repeat(250_000)}x`))).toBeLessThan(MS_A_TEXT);
  });
});

describe('the number of an attempt', () => {
  const launched = (attempt: number) =>
    pod({
      metadata: {
        annotations: {
          [POD.launchedAs]: JSON.stringify({ attempt, zone: 'a', instanceType: 'g6.xlarge', capacityType: 'spot', at: '2026-11-25T10:00:00Z' }),
        },
      },
    });

  it.each([1, 7, 10_000])('%d is one', (attempt) => expect(launchedAs(launched(attempt))?.attempt).toBe(attempt));

  it.each([0, 1.5, 10_001, 4_000_000, 1e10])('%d is none: a record rebuilt from it would not fit into memory', (attempt) => {
    expect(launchedAs(launched(attempt))).toBe(null);
    expect(attemptNumber(pod({ metadata: { annotations: { [POD.attempt]: String(attempt) } } }))).toBe(null);
  });
});
