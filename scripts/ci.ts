// The gate (`.ci/run`) and everything (`.ci/full`): runs the parts one after another, none stops the next, prints what each took,
// lists what was skipped and why, and ends with `N passed, N failed`.

import { existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastLine, NOTHING, type Result, sum } from './results.ts';
import { readOutcome } from './outcome.ts';
import { readmeWalk } from './readme-walk.ts';
import { run } from './shell.ts';
import { runVitest } from './suites.ts';
import { s3Program, type Tool, testPython } from './tools.ts';

interface Part {
  readonly name: string;
  readonly run: () => Promise<Result>;
}

const full = process.argv[2] === 'full';
const commit = (await run('git', ['rev-parse', 'HEAD'])).output.trim();
const scratch = mkdtempSync(join(tmpdir(), 'nerve-ci-'));

/** A command as people type it, its result read from the file it writes. */
function script(...npmArgs: readonly string[]): Part {
  const name = `npm ${npmArgs.join(' ')}`;
  return {
    name,
    run: async () => {
      const file = join(scratch, `${npmArgs.at(-1)?.replace(':', '-')}.json`);
      const ran = await run('npm', npmArgs, { env: { NERVE_RESULT_FILE: file }, echo: true });
      const result = readOutcome(file);
      return result.failed === 0 && ran.code !== 0 ? { ...result, failed: 1 } : result;
    },
  };
}

/** Something that tests need, made if it is not in the cache yet. Without it they are skipped, each with its reason. */
function tool(name: string, make: () => Promise<Tool>): Part {
  return {
    name,
    run: async () => {
      const made = await make();
      if (made.is === 'missing') return skip(name, made.why);
      console.log(made.is === 'there' ? made.path : made.why);
      return made.is === 'there' ? NOTHING : { ...NOTHING, failed: 1 };
    },
  };
}

/** The same tests as `npm test` runs, more of them, chosen by the environment. */
function more(name: string, pattern: string, env: Readonly<Record<string, string>>, only: readonly string[] = []): Part {
  return {
    name,
    run: async () => {
      const files = globSync(pattern);
      if (files.length === 0) return skip(name, `there is no ${pattern}`);
      const result = await runVitest([...files, ...only], env);
      // What a name filter leaves out was not asked for here; it is not marked as skipped.
      return only.includes('-t') ? { ...result, skipped: [] } : result;
    },
  };
}

function bench(file: string): Part {
  return {
    name: file,
    run: async () => {
      const ran = await run(process.execPath, [file], { echo: true });
      return { passed: ran.code === 0 ? 1 : 0, failed: ran.code === 0 ? 0 : 1, skipped: [] };
    },
  };
}

function benches(): readonly Part[] {
  const files = existsSync('bench') ? globSync(['bench/*.ts', 'bench/*/main.ts']).toSorted() : [];
  return files.length === 0 ? [{ name: 'benches', run: () => Promise.resolve(skip('benches', 'there are none in bench/')) }] : files.map(bench);
}

/** A tool that was made ran no test. */
const summary = (result: Result): string => (result.passed + result.failed === 0 ? 'no tests of its own' : lastLine(result));

const skip = (what: string, why: string): Result => ({ ...NOTHING, skipped: [{ what, why }] });

const crashCases = full ? 'all' : '8';
const parts: readonly Part[] = [
  script('run', 'check'),
  tool('Python for the tests', () => testPython({ make: true })),
  tool('S3 for the tests', () => s3Program({ make: true })),
  script('test'),
  more('simulation, 2000 seeds', 'test/simulation/**/*.test.ts', { NERVE_SIM_SEEDS: '2000' }),
  more(`crash cases, ${crashCases}`, 'test/integration/*crash*.test.ts', { NERVE_CRASH_CASES: crashCases, NERVE_CRASH_SEED: commit }),
  { name: 'bad luck, queue, chart, image, CLI', run: () => runVitest(['--project', 'gate'], { NERVE_GATE: '1' }) },
  full
    ? more('demo, every case', 'test/slow/demo.test.ts', { NERVE_SLOW: '1', NERVE_DEMO_SEEDS: '3' })
    : more('demo, default and one random seed', 'test/slow/demo.test.ts', { NERVE_SLOW: '1', NERVE_DEMO_SEEDS: '1' }, ['-t', 'keeps the promise']),
  ...(full
    ? [
        more('cluster, level 1', 'test/cluster/*.test.ts', { NERVE_CLUSTER: '1', NERVE_CLUSTER_LOAD: '1' }),
        script('run', 'check:self'),
        ...benches(),
        { name: 'README walk', run: readmeWalk },
      ]
    : [more('cluster, 50 jobs', 'test/cluster/level1-smoke.test.ts', { NERVE_CLUSTER: '1' })]),
];

const rows = [`${'npm ci'.padEnd(34)} ${(process.env['NERVE_INSTALL_SECONDS'] ?? '?').padStart(7)} s`];
const results: Result[] = [];
for (const part of parts) {
  console.log(`\n=== ${part.name}`);
  const startedMs = performance.now();
  const result = await part.run().catch((error: unknown) => {
    console.error(error);
    return { passed: 0, failed: 1, skipped: [] };
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  results.push(result);
  rows.push(
    `${part.name.padEnd(34)} ${seconds.padStart(7)} s  ${summary(result)}${result.skipped.length > 0 ? `, ${result.skipped.length} skipped` : ''}`,
  );
}
rmSync(scratch, { recursive: true, force: true });

const total = sum(results);
console.log(`\n=== what each part took (commit ${commit.slice(0, 12)})\n${rows.join('\n')}`);
if (total.skipped.length > 0) console.log(`\n=== skipped, counted apart: ${total.skipped.length}`);
for (const { what, why } of total.skipped) console.log(`${what}: ${why}`);
console.log(`\n${lastLine(total)}`);
process.exitCode = total.failed === 0 ? 0 : 1;
