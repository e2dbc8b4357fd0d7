// How long `nerve submit --help` takes to answer, bundled, as a shell starts it: the launcher, Node, oclif, the command. Measured
// in turns with a bare Node that does nothing, so that a slow moment of the machine hits both.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const ROUNDS = 21;

function millisecondsOf(command: string, args: readonly string[]): number {
  const startedMs = performance.now();
  const ran = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${ran.status}: ${ran.stderr}`);
  return performance.now() - startedMs;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

if (!existsSync('dist/main.js')) throw new Error('dist/main.js is missing: run "npm run build" first.');
const help: number[] = [];
const bare: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  help.push(millisecondsOf('bin/nerve', ['submit', '--help']));
  bare.push(millisecondsOf(process.execPath, ['-e', '0']));
}
const figures = { submitHelpMs: median(help), bareNodeMs: median(bare), aboveBareNodeMs: median(help) - median(bare) };
const ranges = (JSON.parse(readFileSync('bench/ranges.json', 'utf8')) as { readonly start: Readonly<Record<string, readonly [number, number]>> })
  .start;
let failed = false;
for (const [name, [low, high]] of Object.entries(ranges)) {
  const value = (figures as Readonly<Record<string, number>>)[name] ?? Number.NaN;
  const within = value >= low && value <= high;
  failed ||= !within;
  console.log(`${within ? 'ok ' : 'RED'} ${name} ${value.toFixed(0)} (allowed: ${low} to ${high})`);
}
console.log(`bare Node: ${figures.bareNodeMs.toFixed(0)} ms; median of ${ROUNDS}`);
process.exitCode = failed ? 1 : 0;
