// Runs the test suites and says what they came to: vitest through its JSON reporter, Python through unittest. The Python tests get
// PyTorch, NumPy, boto3 and a real S3 where the gate has made them (tools.ts); without, each says what it lacks and is counted apart.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startS3, type TestS3 } from '../test/support/s3.ts';
import { type Result, unittestResult, vitestResult } from './results.ts';
import { run } from './shell.ts';
import { s3Program, testPython } from './tools.ts';

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
  const python = await testPython({ make: false });
  const s3 = await ownS3();
  try {
    // Warnings count as errors where the versions are pinned; a newcomer's Python may be newer than this project.
    const [command, ...options] = python.is === 'there' ? [python.path, '-W', 'error'] : ['python3'];
    const ran = await run('nice', [command, ...options, '-m', 'unittest', 'discover', '-v', '-s', 'python/tests'], {
      env: { PYTHONPATH: 'python', ...(s3 === null ? {} : { ...s3.env, NERVE_TEST_S3_URI: `s3://${s3.bucket}` }) },
    });
    const result = unittestResult(ran.output, ran.code);
    console.log(result.failed > 0 ? ran.output : `Python: ${result.passed} passed in ${ran.seconds.toFixed(1)} s`);
    return result;
  } finally {
    await s3?.stop();
  }
}

/** None if it was not built, or if NERVE_TEST_S3_URI already names one. */
async function ownS3(): Promise<TestS3 | null> {
  if (process.env['NERVE_TEST_S3_URI'] !== undefined) return null;
  const program = await s3Program({ make: false });
  return program.is === 'there' ? startS3(program.path) : null;
}
