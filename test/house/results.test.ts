import { describe, expect, it } from 'vitest';
import { lastLine, sum, unittestResult, vitestResult } from '../../scripts/results.ts';

const file = (status: string, ...tests: readonly string[]) => ({
  name: 'a.test.ts',
  status,
  assertionResults: tests.map((test, i) => ({ status: test, fullName: `test ${i}` })),
});
const report = (...files: readonly ReturnType<typeof file>[]): string => JSON.stringify({ testResults: files });

describe('counting vitest', () => {
  it('counts tests that passed and failed, and lists the others apart', () => {
    const result = vitestResult(report(file('failed', 'passed', 'failed', 'pending'), file('passed', 'passed', 'todo')), 1);
    expect(result).toMatchObject({ passed: 2, failed: 1 });
    expect(result.skipped.map(({ what }) => what)).toEqual(['test 2', 'test 1']);
  });

  it('counts a file that throws while it is imported as failed, though it has no test at all', () => {
    expect(vitestResult(report(file('failed'), file('passed', 'passed')), 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  it('counts a file whose afterAll failed behind green tests', () => {
    expect(vitestResult(report(file('failed', 'passed')), 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  it('counts an unhandled rejection, which shows in the exit code only', () => {
    expect(vitestResult(report(file('passed', 'passed')), 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  it('counts a vitest that wrote no report as failed', () => {
    expect(vitestResult(null, 137)).toMatchObject({ passed: 0, failed: 1 });
  });
});

describe('counting unittest', () => {
  it('reads the numbers it names and the reasons of skips', () => {
    const text = [
      'test_a (x.T.test_a) ... ok',
      "test_b (x.T.test_b) ... skipped 'no torch'",
      'test_c (x.T.test_c) ... FAIL',
      'Ran 5 tests in 0.001s',
      '',
      'FAILED (failures=1, errors=1, skipped=1)',
    ].join('\n');
    expect(unittestResult(text, 1)).toEqual({ passed: 2, failed: 2, skipped: [{ what: 'test_b (x.T.test_b)', why: 'no torch' }] });
  });

  it('is green on a plain OK', () => {
    expect(unittestResult('Ran 12 tests in 0.5s\n\nOK\n', 0)).toEqual({ passed: 12, failed: 0, skipped: [] });
  });

  it('counts a run that never reached its last line as failed', () => {
    expect(unittestResult('Traceback (most recent call last):\n', 1)).toMatchObject({ passed: 0, failed: 1 });
  });

  it('counts finding no test at all as failed', () => {
    expect(unittestResult('Ran 0 tests in 0.000s\n\nNO TESTS RAN\n', 5)).toMatchObject({ passed: 0, failed: 1 });
    expect(unittestResult('Ran 0 tests in 0.000s\n\nOK\n', 0)).toMatchObject({ passed: 0, failed: 1 });
  });
});

it('sums parts into the last line, skips apart', () => {
  const total = sum([
    { passed: 3, failed: 0, skipped: [{ what: 'a', why: 'b' }] },
    { passed: 4, failed: 1, skipped: [] },
  ]);
  expect(lastLine(total)).toBe('7 passed, 1 failed');
  expect(total.skipped).toHaveLength(1);
});
