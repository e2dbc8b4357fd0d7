// What a part of the gate came to, read from what its tool wrote. Pure, so that test/house can try the traps: a test file that
// throws while it is imported has no assertions at all, and vitest counts it nowhere; unittest names its numbers only
// when they are not zero.

export interface Skip {
  readonly what: string;
  readonly why: string;
}

export interface Result {
  readonly passed: number;
  readonly failed: number;
  /** Counted apart: neither passed nor failed. */
  readonly skipped: readonly Skip[];
}

export const NOTHING: Result = { passed: 0, failed: 0, skipped: [] };

export function sum(results: readonly Result[]): Result {
  return {
    passed: results.reduce((n, r) => n + r.passed, 0),
    failed: results.reduce((n, r) => n + r.failed, 0),
    skipped: results.flatMap((r) => r.skipped),
  };
}

/** The last line of every run. */
export const lastLine = (result: Result): string => `${result.passed} passed, ${result.failed} failed`;

interface VitestFile {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
}

/** `report` is the text of vitest's JSON reporter, null when it wrote none. */
export function vitestResult(report: string | null, exitCode: number): Result {
  const files = report === null ? [] : (JSON.parse(report) as { readonly testResults: readonly VitestFile[] }).testResults;
  const tests = files.flatMap((file) => file.assertionResults);
  const brokenFiles = files.filter((file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'));
  const failed = tests.filter((test) => test.status === 'failed').length + brokenFiles.length;
  return {
    passed: tests.filter((test) => test.status === 'passed').length,
    // An unhandled rejection, a crash, or no test at all: vitest says so in its exit code only.
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: tests
      .filter((test) => test.status !== 'passed' && test.status !== 'failed')
      .map((test) => ({ what: test.fullName, why: `marked ${test.status} in its file` })),
  };
}

/** `text` is what `python3 -m unittest -v` printed. */
export function unittestResult(text: string, exitCode: number): Result {
  const ran = /^Ran (\d+) tests? in /m.exec(text);
  const closing = /^(?:OK|FAILED)(?: \((.*)\))?\s*$/m.exec(text);
  // Python 3.11 calls finding nothing OK.
  if (ran === null || closing === null || Number(ran[1]) === 0) return { passed: 0, failed: 1, skipped: [] };
  const named = new Map((closing[1] ?? '').split(', ').map((pair) => [pair.split('=')[0] ?? '', Number(pair.split('=')[1] ?? 0)]));
  const count = (name: string): number => named.get(name) ?? 0;
  const failed = count('failures') + count('errors') + count('unexpected successes');
  const skips = [...text.matchAll(/^(.*?) \.\.\. skipped (['"])(.*)\2\s*$/gm)].map((m) => ({ what: m[1] ?? '', why: m[3] ?? '' }));
  const unnamed = Math.max(0, count('skipped') - skips.length);
  const skipped = [...skips, ...Array.from({ length: unnamed }, () => ({ what: 'a Python test', why: 'no reason printed' }))];
  return {
    passed: Math.max(0, Number(ran[1]) - failed - count('skipped')),
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped,
  };
}
