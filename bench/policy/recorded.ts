// Recorded traces: score.py replays them and drives the policy process; its JSON is read back. Nothing of them is kept here.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Family, Score } from './score.ts';

interface Aggregate {
  readonly n: number;
  readonly misses: number;
  readonly moveViolations: number;
  readonly to_onDemand: number | null;
  readonly mean_to_omniscient: number | null;
}

interface Scored {
  readonly groups: Readonly<Record<string, Aggregate>>;
  readonly families: Readonly<Record<string, Aggregate>>;
  readonly wallSeconds: number;
}

export async function scoreRecorded(
  root: string,
  traces: string,
  kind: 'recorded' | 'noise',
  groups: string | undefined,
  seed: number | null,
): Promise<Score> {
  const folder = mkdtempSync(join(tmpdir(), 'nerve-policy-'));
  try {
    const out = join(folder, 'score.json');
    const which = groups ?? (kind === 'noise' ? 'zones,single,pair,other,spot+carbon' : undefined);
    const args = [
      join(traces, 'score.py'),
      '--scenarios',
      join(traces, 'scenarios-dev.json.gz'),
      '--timeout',
      '300',
      '--json',
      out,
      ...(which === undefined ? [] : ['--groups', which]),
      ...(seed === null ? [] : ['--noise', String(seed)]),
      '--',
      process.execPath,
      join(root, 'bench/policy/process.ts'),
    ];
    const said = await run('python3', args);
    const scored = JSON.parse(readFileSync(out, 'utf8')) as Scored;
    return {
      kind,
      title: seed === null ? 'Recorded traces (dev scenarios)' : `Recorded traces, noise ${seed}`,
      reference: 'the omniscient optimum',
      families: Object.entries(scored.families).map(familyOf),
      headlinePct: headline(scored.groups),
      microsecondsPerDecision: Number(/(\d+) us each/.exec(said)?.[1] ?? Number.NaN),
      seconds: scored.wallSeconds,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function familyOf([name, of]: [string, Aggregate]): Family {
  return {
    name,
    scenarios: of.n,
    gapPct: 100 * ((of.mean_to_omniscient ?? Number.NaN) - 1),
    toOnDemand: of.to_onDemand ?? Number.NaN,
    misses: of.misses,
    moveViolations: of.moveViolations,
  };
}

function headline(groups: Scored['groups']): number {
  const ratios = Object.entries(groups).flatMap(([name, of]) => (name.startsWith('carbon') ? [] : [of.mean_to_omniscient ?? Number.NaN]));
  return 100 * (ratios.reduce((a, b) => a + b, 0) / ratios.length - 1);
}

/** What it said on stderr. */
function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(said) : reject(new Error(`score.py ended with ${code}: ${said}`))));
  });
}
