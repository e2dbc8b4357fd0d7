// The ledger in words: what it says of a deadline, and of a saving that is none.

import { describe, expect, it } from 'vitest';
import { report, totals } from '../../src/engine/report.ts';
import type { FinishResult, JobEvent } from '../../src/engine/record.ts';
import type { JobReport } from '../../src/engine/report.ts';
import { jobLines, totalLines } from '../../src/terminal/ledger.ts';
import { HOUR, MINUTE, NOW, record } from '../support/build.ts';

/** Due 14 hours after now. */
function ended(result: FinishResult, atMs: number, late = false, over: Partial<JobReport> = {}): JobReport {
  const finished: JobEvent = {
    type: 'finished',
    atMs,
    result,
    reason: result === 'cancelled' ? 'user-cancelled' : result === 'failed' ? 'retries-used-up' : 'completed',
    late,
    usefulWorkMs: 0,
    counterfactual: null,
    finalCheckpoint: null,
  };
  return { ...report(record([finished])), ...over };
}

const line = (of: JobReport, label: string): string => jobLines(of).find((each) => each.startsWith(label)) ?? '';

describe('the deadline in a report', () => {
  it.each<[FinishResult, number, boolean, RegExp]>([
    ['succeeded', 13 * HOUR, false, /^deadline +met \(/],
    ['succeeded', 15 * HOUR, true, /^deadline +missed by 1 h \(/],
    ['cancelled', 13 * HOUR, false, /^deadline +not finished: cancelled 1 h before it \(/],
    ['failed', 13 * HOUR, false, /^deadline +not finished: failed 1 h before it \(/],
    ['failed', 15 * HOUR, false, /^deadline +missed: failed 1 h after it \(/],
    ['cancelled', 14 * HOUR + 5 * MINUTE, false, /^deadline +missed: cancelled 5 min after it \(/],
  ])('of a job that %s, %d ms after it was submitted', (result, ms, late, words) => {
    const text = line(ended(result, NOW + ms, late), 'deadline');
    expect(text).toMatch(words);
  });
});

describe('a saving', () => {
  const sums = (carbonSavedGrams: number, savingUsd = 0) =>
    totalLines({ ...totals([ended('succeeded', NOW)]), carbonSavedGrams, savingUsd, costUsd: 1, onDemandCostUsd: 1 + savingUsd }).join('\n');

  it('is told in the direction that it has', () => {
    expect(sums(12.34)).toContain(', 12.3 g CO2e less than starting at once');
    expect(sums(-0.1)).toContain(', 0.1 g CO2e more than starting at once');
    expect(sums(0, 0.5)).toContain('$0.500 saved (33 %)');
    expect(sums(0, -0.5)).toContain('a loss of $0.500');
  });

  it('of nothing that shows is called the same', () => {
    for (const nothing of [0, -0.04, 0.04, -1e-12]) expect(sums(nothing)).toContain(', the same as starting at once');
    for (const nothing of [0, -0.0004, 0.0004, -1e-12]) expect(sums(0, nothing)).toMatch(/uninterrupted: the same$/m);
    expect(line(ended('cancelled', NOW + HOUR), 'cost')).toMatch(/uninterrupted: the same$/);
  });
});
