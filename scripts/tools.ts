// What some tests need and nobody has to install by hand: PyTorch, NumPy and boto3 in a virtual environment, and a server that speaks
// S3. Both lie in Nerve's cache (~/.cache/nerve), named after their pinned versions. `npm test` uses them where they are; only the gate
// makes them, because nobody expects `npm test` to fetch gigabytes. Deleting them is safe.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathsFor } from '../src/config/paths.ts';
import { run } from './shell.ts';

export type Tool =
  | { readonly is: 'there'; readonly path: string }
  /** Not here, and no fault of the project: no network, no pip, no Go. */
  | { readonly is: 'missing'; readonly why: string }
  /** It was made and does not work: the pins are wrong. */
  | { readonly is: 'broken'; readonly why: string };

export interface ToolOptions {
  /** Make it if it is not there yet. */
  readonly make: boolean;
}

const REQUIREMENTS = 'python/tests/requirements.txt';
/** Apache-2.0. On a POSIX folder, conditional writes are exclusive, which fencing is tested against. */
const S3_MODULE = 'github.com/versity/versitygw/cmd/versitygw';
const S3_VERSION = 'v1.8.0';
const LIMIT_SECONDS = 1200;

const cache = (): string => pathsFor(process.env).cache;

/** The Python of the tests' environment. */
export async function testPython({ make }: ToolOptions): Promise<Tool> {
  const asked = [join('scripts', 'python_env.py'), REQUIREMENTS, cache()];
  const found = await run('python3', asked);
  if (found.code === 0) return { is: 'there', path: found.output.trim() };
  if (!make) return { is: 'missing', why: lastLineOf(found.output) };
  const made = await run('python3', [...asked, '--make'], { echo: true, limitSeconds: LIMIT_SECONDS });
  if (made.code === 0) return testPython({ make: false });
  return { is: made.code === 1 ? 'broken' : 'missing', why: lastLineOf(made.output) };
}

/** A server that speaks S3; test/support/s3.ts starts it. */
export async function s3Program({ make }: ToolOptions): Promise<Tool> {
  const path = join(cache(), `versitygw-${S3_VERSION}-${process.platform}-${process.arch}`);
  if (existsSync(path)) return { is: 'there', path };
  if (!make) return { is: 'missing', why: 'it was not built yet' };
  mkdirSync(cache(), { recursive: true, mode: 0o700 });
  const part = mkdtempSync(`${path}.part-`);
  try {
    const ran = await run('go', ['install', '-ldflags=-s -w', `${S3_MODULE}@${S3_VERSION}`], {
      env: { GOBIN: part },
      limitSeconds: LIMIT_SECONDS,
    });
    if (ran.code !== 0) return { is: 'missing', why: `go install failed: ${lastLineOf(ran.output)}` };
    // Whole or not there: of two that build at once the second replaces it by the same.
    renameSync(join(part, 'versitygw'), path);
    return { is: 'there', path };
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

const lastLineOf = (output: string): string => output.trimEnd().split('\n').at(-1) ?? '';
