// `npm run bench:crossfit-carbon`: what a trained model of the grid is worth on the recorded `carbon` scenarios, each scored with a model
// that never saw its days: share of the saving that perfect knowledge would bring, per grid. Writes bench/results/carbon.md. Two ways to
// leave out, because one weather reaches several grids:
//
//   other days             all zones without that stretch of time (as a user with history of his own grid)
//   other days and zones   the same, and without the zone itself (as a user who has a model of other grids only)

import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { forecaster } from './python.ts';

interface Block {
  readonly start: string;
  readonly stepSeconds: number;
  readonly gCO2_per_kWh: readonly number[];
}
interface Pack {
  readonly file: string;
  readonly zone: string;
  readonly blocks: readonly Block[];
}
interface Scenario {
  readonly group: string;
  readonly carbon?: { readonly pack: string; readonly block: number; readonly startIndex: number } | null;
}
interface Scored {
  readonly group: string;
  readonly objective: number;
  readonly miss: boolean;
  readonly ref: { readonly onDemand: number; readonly omniscient: number };
}
/** Scenarios that begin in a stretch of time of one zone. */
interface Fold {
  readonly pack: Pack;
  readonly fromMs: number;
  readonly toMs: number;
  readonly scenarios: readonly Scenario[];
}

const root = resolve(import.meta.dirname, '../..');
const traces = process.env['NERVE_POLICY_BENCH'] ?? join(root, '../shared/policy-bench');
if (!existsSync(join(traces, 'score.py'))) {
  console.error(`There are no recorded traces in ${traces}.`);
  process.exit(2);
}
const DAY_MS = 86_400_000;
/** A long block is cut into so many stretches. */
const CUTS = 3;
const made = new Map<string, string>();
const scratch = mkdtempSync(join(tmpdir(), 'nerve-crossfit-'));
const gunzip = (path: string): unknown => JSON.parse(gunzipSync(readFileSync(path)).toString());
const packs = globSync(join(traces, 'data/dev/carbon/*.json.gz'))
  .toSorted()
  .map((path): Pack => ({ ...(gunzip(path) as Omit<Pack, 'file'>), file: basename(path) }));
const scenarios = (gunzip(join(traces, 'scenarios-dev.json.gz')) as { scenarios: readonly Scenario[] }).scenarios.filter((s) =>
  s.group.startsWith('carbon/'),
);

try {
  const folds = packs.flatMap(foldsOf);
  const rows: { readonly name: string; readonly scored: readonly Scored[] }[] = [
    { name: '7-day mean with level (no model)', scored: folds.flatMap((fold) => score(fold, '')) },
  ];
  for (const strict of [false, true]) {
    const scored: Scored[] = [];
    for (const fold of folds) scored.push(...score(fold, await modelWithout(fold, strict)));
    rows.push({ name: `model of other days${strict ? ' and zones' : ''}`, scored });
  }
  const report = tableOf(rows);
  console.log(report);
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  writeFileSync(join(root, 'bench/results/carbon.md'), `${report}\n`);
} finally {
  rmSync(scratch, { recursive: true });
}

function foldsOf(pack: Pack): readonly Fold[] {
  return pack.blocks.flatMap((block, index) => {
    const { fromMs, toMs } = spanOf(block);
    const cuts = toMs - fromMs > 200 * DAY_MS ? CUTS : 1;
    return Array.from({ length: cuts }, (_, cut): Fold => {
      const from = fromMs + ((toMs - fromMs) * cut) / cuts;
      const to = fromMs + ((toMs - fromMs) * (cut + 1)) / cuts;
      const startOf = (s: Scenario): number => fromMs + (s.carbon?.startIndex ?? 0) * block.stepSeconds * 1000;
      const inside = scenarios.filter(
        (s) => s.carbon?.pack.endsWith(pack.file) === true && s.carbon.block === index && startOf(s) >= from && startOf(s) < to,
      );
      return { pack, fromMs: from, toMs: to, scenarios: inside };
    });
  });
}

function spanOf(block: Block): { readonly fromMs: number; readonly toMs: number } {
  const fromMs = Date.parse(block.start.endsWith('Z') ? block.start : `${block.start}Z`);
  return { fromMs, toMs: fromMs + block.gCO2_per_kWh.length * block.stepSeconds * 1000 };
}

/** Three days more on either side are left out: the longest window, and the weather of the day before. */
async function modelWithout(fold: Fold, strict: boolean): Promise<string> {
  const name = `${fold.fromMs}-${fold.toMs}-${strict ? fold.pack.zone : 'all'}`;
  const known = made.get(name);
  if (known !== undefined) return known;
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (const pack of packs) {
    if (strict && pack.zone === fold.pack.zone) continue;
    const blocks = pack.blocks.flatMap((block) => without(block, fold.fromMs - 3 * DAY_MS, fold.toMs + 3 * DAY_MS));
    writeFileSync(join(folder, pack.file.replace(/\.gz$/, '')), JSON.stringify({ zone: pack.zone, blocks }));
  }
  const model = join(scratch, `${name}.model`);
  await forecaster(['train', '--kind', 'carbon', '--weeks', '0', '--data', folder, '--export', model]);
  made.set(name, model);
  return model;
}

/** What is left of a block before and after a stretch of time. */
function without(block: Block, fromMs: number, toMs: number): readonly Block[] {
  const { fromMs: beginMs } = spanOf(block);
  const stepMs = block.stepSeconds * 1000;
  const values = block.gCO2_per_kWh;
  const first = Math.max(0, Math.min(values.length, Math.floor((fromMs - beginMs) / stepMs)));
  const last = Math.max(0, Math.min(values.length, Math.ceil((toMs - beginMs) / stepMs)));
  const part = (a: number, b: number): readonly Block[] =>
    b > a ? [{ ...block, start: new Date(beginMs + a * stepMs).toISOString().replace('.000', ''), gCO2_per_kWh: values.slice(a, b) }] : [];
  return [...part(0, first), ...part(Math.max(first, last), values.length)];
}

function score(fold: Fold, model: string): readonly Scored[] {
  if (fold.scenarios.length === 0) return [];
  const [asked, answered] = [join(scratch, 'scenarios.json'), join(scratch, 'scored.json')];
  writeFileSync(asked, JSON.stringify({ scenarios: fold.scenarios }));
  const args = [join(traces, 'score.py'), '--scenarios', asked, '--data', join(traces, 'data'), '--timeout', '300', '--json', answered];
  const policy = ['--', process.execPath, join(root, 'bench/policy/process.ts')];
  const ran = spawnSync('python3', [...args, ...policy], { env: { ...process.env, NERVE_MODEL: model }, encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`score.py ended with ${ran.status}: ${ran.stderr}`);
  if (/is not used|cannot be read/.test(ran.stderr)) throw new Error(ran.stderr);
  return (JSON.parse(readFileSync(answered, 'utf8')) as { scenarios: readonly Scored[] }).scenarios;
}

function tableOf(rows: readonly { readonly name: string; readonly scored: readonly Scored[] }[]): string {
  const zones = [...new Set(scenarios.map((s) => s.group.split('/')[1] ?? ''))].toSorted();
  const sum = (of: readonly Scored[], value: (s: Scored) => number): number => of.reduce((total, s) => total + value(s), 0);
  const lines = rows.map(({ name, scored }) => {
    const shares = zones.map((zone) => {
      const of = scored.filter((s) => s.group.split('/')[1] === zone);
      const now = sum(of, (s) => s.ref.onDemand);
      return `${((100 * (now - sum(of, (s) => s.objective))) / (now - sum(of, (s) => s.ref.omniscient))).toFixed(1)}`;
    });
    const gap = 100 * (sum(scored, (s) => s.objective / s.ref.omniscient) / scored.length - 1);
    return `| ${name} | ${shares.join(' | ')} | ${gap.toFixed(2)} | ${scored.filter((s) => s.miss).length} |`;
  });
  return [
    '# Forecast of the grid',
    '',
    'Written by `npm run bench:crossfit-carbon` on the recorded `carbon` scenarios: share of the saving that perfect knowledge would bring, in percent; each',
    'scenario scored with a model that never saw its days.',
    '',
    `| forecast | ${zones.join(' | ')} | % above the optimum | misses |`,
    `|---|${zones.map(() => '---|').join('')}---|---|`,
    ...lines,
    '',
  ].join('\n');
}
