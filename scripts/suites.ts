// Runs the test suites and says what they came to: vitest through its JSON reporter, Python through unittest.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Result, unittestResult, vitestResult } from './results.ts';
import { run } from './shell.ts';

/** `filters` are parts of file names or vitest options, as on vitest's own command line. */
export async function runVitest(filters: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'nerve-vitest-'));
  const file = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  try {
    const ran = await run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...filters], { env, echo: true });
    return vitestResult(existsSync(file) ? readFileSync(file, 'utf8') : null, ran.code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function runPython(): Promise<Result> {
  if (!existsSync('python/tests')) return { passed: 0, failed: 0, skipped: [{ what: 'Python tests', why: 'there is no folder python/tests' }] };
  const ran = await run('python3', ['-m', 'unittest', 'discover', '-v', '-s', 'python/tests'], { env: { PYTHONPATH: 'python' } });
  const result = unittestResult(ran.output, ran.code);
  console.log(result.failed > 0 ? ran.output : `Python: ${result.passed} passed in ${ran.seconds.toFixed(1)} s`);
  return result;
}
