// `npm run check:self`: who checks the checks? Plants one fault for each tool in a copy of the tree and expects red, for the
// planted reason. A tool that is red before anything is planted proves nothing and counts as failed too.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CHECKS, type CheckName } from './checks.ts';
import { conclude } from './outcome.ts';
import { type Ran, run } from './shell.ts';

type Tool = CheckName | 'unit-test';

interface Plant {
  readonly fault: string;
  readonly tool: Tool;
  /** Written over, or added to, the copy. */
  readonly files: Readonly<Record<string, string>>;
  /** What the tool must say. */
  readonly says: RegExp;
}

const one = (name: string, text: string): Readonly<Record<string, string>> => ({ [name]: text });

const PLANTS: readonly Plant[] = [
  { fault: 'a badly formatted file', tool: 'format', files: one('src/engine/planted.ts', 'export const a   = "b"\n'), says: /planted\.ts/ },
  { fault: 'a type error', tool: 'types', files: one('src/engine/planted.ts', "export const a: number = 'b';\n"), says: /planted\.ts.*TS2322/ },
  {
    fault: 'a floating promise',
    tool: 'lint',
    files: one('src/worker/planted.ts', 'export function start(): void {\n  Promise.resolve(1);\n}\n'),
    says: /no-floating-promises/,
  },
  {
    fault: 'a promise where a condition is meant',
    tool: 'lint',
    files: one(
      'src/worker/planted.ts',
      'export async function ok(): Promise<boolean> {\n  return true;\n}\nexport const answer = async () => (ok() ? 1 : 2);\n',
    ),
    says: /no-misused-promises/,
  },
  { fault: 'any', tool: 'lint', files: one('src/worker/planted.ts', 'export const read = (x: any): unknown => x;\n'), says: /no-explicit-any/ },
  {
    fault: 'a switch that forgets a case',
    tool: 'lint',
    files: one('src/worker/planted.ts', "export function f(x: 'a' | 'b'): void {\n  switch (x) {\n    case 'a':\n      f(x);\n  }\n}\n"),
    says: /switch-exhaustiveness-check/,
  },
  {
    fault: 'process.env outside config',
    tool: 'lint',
    files: one('src/worker/planted.ts', "export const home = process.env['HOME'];\n"),
    says: /no-process-env/,
  },
  {
    fault: 'a clock in the engine',
    tool: 'lint',
    files: one('src/engine/planted.ts', 'export const now = (): number => Date.now();\n'),
    says: /no-restricted-globals/,
  },
  {
    fault: 'chance in the engine',
    tool: 'lint',
    files: one('src/engine/planted.ts', 'export const die = (): number => Math.random();\n'),
    says: /no-restricted-properties/,
  },
  { fault: 'a default export', tool: 'lint', files: one('src/worker/planted.ts', 'export default 1;\n'), says: /no-default-export/ },
  { fault: 'node:fs in the engine', tool: 'imports', files: one('src/engine/planted.ts', "import 'node:fs';\n"), says: /engine-is-pure/ },
  { fault: 'a package in the engine', tool: 'imports', files: one('src/engine/planted.ts', "import 'luxon';\n"), says: /engine-is-pure/ },
  { fault: 'ioredis outside the queue', tool: 'imports', files: one('src/worker/planted.ts', "import 'ioredis';\n"), says: /redis-only-in-queue/ },
  {
    fault: 'an arrow from worker to queue',
    tool: 'imports',
    files: one('src/worker/planted.ts', "import '../queue/open.ts';\n"),
    says: /worker-stands-alone/,
  },
  {
    fault: 'an arrow from agent to an adapter, by type only',
    tool: 'imports',
    files: one('src/agent/planted.ts', "import type { RunningRedis } from '../adapters/redis-server/start.ts';\nexport type A = RunningRedis;\n"),
    says: /agent-stands-alone/,
  },
  {
    fault: 'ports that know the queue',
    tool: 'imports',
    files: one('src/ports.ts', "import './queue/open.ts';\n"),
    says: /ports-know-only-the-engine/,
  },
  {
    fault: 'a command behind the back of wire',
    tool: 'imports',
    files: one('src/commands/planted.ts', "import '../queue/open.ts';\n"),
    says: /commands-go-through-wire/,
  },
  {
    fault: 'two files that import each other',
    tool: 'imports',
    files: { 'src/engine/planted.ts': "import './planted-b.ts';\n", 'src/engine/planted-b.ts': "import './planted.ts';\n" },
    says: /no-cycle/,
  },
  {
    fault: 'a dead export',
    tool: 'dead-code',
    files: { 'test/house/planted.test.ts': "import './planted.ts';\n", 'test/house/planted.ts': 'export const nobodyWantsMe = 1;\n' },
    says: /nobodyWantsMe/,
  },
  { fault: 'a file that nobody imports', tool: 'dead-code', files: one('test/house/planted.ts', 'export const a = 1;\n'), says: /planted\.ts/ },
  { fault: 'Python 3.10 in the SDK', tool: 'python', files: one('python/planted.py', 'match 1:\n    case _:\n        pass\n'), says: /planted\.py/ },
  {
    fault: 'a failing unit test',
    tool: 'unit-test',
    files: one('test/house/planted.test.ts', "import { expect, it } from 'vitest';\nit('fails', () => expect(1).toBe(2));\n"),
    says: /^0 passed, 1 failed$/m,
  },
  {
    fault: 'a test file that throws at import',
    tool: 'unit-test',
    files: one('test/house/planted.test.ts', "throw new Error('at import');\n"),
    says: /^0 passed, 1 failed$/m,
  },
];

/** Only where the production entries are known is "used by tests only" visible. */
const DEAD_IN_PRODUCTION: Plant = {
  fault: 'an export that only a test uses',
  tool: 'dead-code-production',
  files: {
    'src/engine/errors.ts': `${readFileSync('src/engine/errors.ts', 'utf8')}\nexport const onlyATestWantsMe = 1;\n`,
    'test/house/planted.test.ts': "import { onlyATestWantsMe } from '../../src/engine/errors.ts';\nonlyATestWantsMe.toFixed();\n",
  },
  says: /onlyATestWantsMe/,
};

const copy = mkdtempSync(join(tmpdir(), 'nerve-self-'));

async function copyTree(): Promise<void> {
  const { output } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  for (const file of output.split('\0').filter((name) => name !== '' && existsSync(name))) cpSync(file, join(copy, file));
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));
  // biome and knip ask git what to ignore.
  await run('git', ['init', '--quiet'], { cwd: copy });
}

function runTool(tool: Tool): Promise<Ran> {
  if (tool === 'unit-test')
    return run(process.execPath, ['scripts/test.ts', 'test/house/planted.test.ts'], { cwd: copy, env: { NERVE_RESULT_FILE: '' } });
  const check = CHECKS.find(({ name }) => name === tool);
  if (check === undefined) throw new Error(`there is no check ${tool}`);
  return check.run(copy);
}

/** Plants, runs, and takes the fault out again. */
async function planted(plant: Plant): Promise<Ran> {
  const before = new Map(Object.keys(plant.files).map((name) => [name, existsSync(join(copy, name)) ? readFileSync(join(copy, name)) : null]));
  for (const [name, text] of Object.entries(plant.files)) {
    mkdirSync(dirname(join(copy, name)), { recursive: true });
    writeFileSync(join(copy, name), text);
  }
  const ran = await runTool(plant.tool);
  for (const [name, content] of before) {
    if (content === null) rmSync(join(copy, name));
    else writeFileSync(join(copy, name), content);
  }
  return ran;
}

let passed = 0;
let failed = 0;
function tell(ok: boolean, line: string, ran: Ran): void {
  if (ok) passed += 1;
  else failed += 1;
  console.log(`${ok ? 'ok ' : 'BAD'} ${line} (${ran.seconds.toFixed(1)} s)`);
  if (!ok) console.log(ran.output);
}

try {
  await copyTree();
  const assembled = existsSync('src/cli.ts');
  const plants = assembled ? [...PLANTS, DEAD_IN_PRODUCTION] : PLANTS;
  for (const check of CHECKS) {
    const ran = await check.run(copy);
    tell(ran.code === 0, `${check.name}: green before anything is planted`, ran);
  }
  for (const plant of plants) {
    const ran = await planted(plant);
    tell(ran.code !== 0 && plant.says.test(ran.output), `${plant.tool}: red on ${plant.fault}`, ran);
  }
  const why = 'there is no src/cli.ts yet, so every source file is an entry';
  conclude({ passed, failed, skipped: assembled ? [] : [{ what: `dead-code-production: red on ${DEAD_IN_PRODUCTION.fault}`, why }] });
} finally {
  rmSync(copy, { recursive: true, force: true });
}
