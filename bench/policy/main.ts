// `npm run bench:policy`: scores the policy, writes bench/results/policy.md, and fails outside bench/ranges.json. With recorded
// traces (../shared/policy-bench, or NERVE_POLICY_BENCH) score.py is the judge; without them, seeded synthetic markets are.
// `-- --noise 1,2,3` scores the noisy worlds too.

import { readFileSync, writeFileSync, mkdirSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Ranges, outside, rangesOf } from './ranges.ts';
import { scoreRecorded } from './recorded.ts';
import { scoreSynthetic } from './synthetic.ts';
import { type Score, table } from './score.ts';

const root = resolve(import.meta.dirname, '../..');
const traces = process.env['NERVE_POLICY_BENCH'] ?? join(root, '../shared/policy-bench');
const { values } = parseArgs({ options: { noise: { type: 'string' }, groups: { type: 'string' } } });
const ranges: Ranges = rangesOf(readFileSync(join(root, 'bench/ranges.json'), 'utf8'));
const scores: Score[] = [];

if (existsSync(join(traces, 'score.py'))) {
  scores.push(await scoreRecorded(root, traces, 'recorded', values.groups, null));
  for (const seed of values.noise?.split(',') ?? []) scores.push(await scoreRecorded(root, traces, 'noise', values.groups, Number(seed)));
} else {
  console.error(`No recorded traces in ${traces}: synthetic markets instead.`);
  scores.push(scoreSynthetic());
}

const report = [
  '# Placement policy',
  '',
  'Written by `npm run bench:policy`; the ranges are in `bench/ranges.json`.',
  '',
  ...scores.flatMap(table),
].join('\n');
console.log(report);
// Part of the scenarios says nothing about the whole: shown, neither kept nor judged.
if (values.groups === undefined) {
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  writeFileSync(join(root, 'bench/results/policy.md'), `${report}\n`);
  const failures = scores.flatMap((score) => outside(score, ranges));
  for (const failure of failures) console.error(`OUT OF RANGE: ${failure}`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}
