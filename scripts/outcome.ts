// How one script tells another what it came to: a file named by NERVE_RESULT_FILE. The gate runs the very commands that people
// type (`npm run check`, `npm test`) and reads their result there instead of guessing at their output.

import { readFileSync, writeFileSync } from 'node:fs';
import { lastLine, type Result } from './results.ts';

/** Prints skips and the last line, writes the result file if one is asked for, and sets the exit code. */
export function conclude(result: Result): void {
  for (const skip of result.skipped) console.log(`skipped: ${skip.what} (${skip.why})`);
  const file = process.env['NERVE_RESULT_FILE'];
  if (file !== undefined && file !== '') writeFileSync(file, JSON.stringify(result));
  console.log(lastLine(result));
  process.exitCode = result.failed === 0 ? 0 : 1;
}

/** What the script wrote; a script that died before it could counts as one failure. */
export function readOutcome(file: string): Result {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Result;
  } catch {
    return { passed: 0, failed: 1, skipped: [] };
  }
}
