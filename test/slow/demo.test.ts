// `nerve demo`, whole, with seeds that nobody chose (NERVE_DEMO_SEEDS of them): minutes, so only the gate runs it (NERVE_SLOW=1).

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { DemoResult } from '../../src/demo/result.ts';
import { until } from '../support/local.ts';

const NERVE = resolve('bin/nerve');
const LIMIT_MS = 180_000;

let folder = '';
let mark = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nd-'));
  mark = `NERVE_TEST_MARK=${folder}`;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** `interrupt`: Ctrl-C (to the whole group, as a terminal does) when this was printed. */
async function demo(args: readonly string[], interrupt: string | null = null): Promise<Ran> {
  const env: Record<string, string | undefined> = { ...process.env, TMPDIR: folder, NERVE_TEST_MARK: folder };
  for (const name of ['NERVE_REDIS_URL', 'NERVE_STATE_DIR', 'XDG_RUNTIME_DIR']) delete env[name];
  env['NERVE_CACHE_DIR'] = join(homedir(), '.cache', 'nerve');
  const startedMs = performance.now();
  const child = spawn(NERVE, ['demo', ...args], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const closed = once(child, 'close');
  if (interrupt !== null) {
    await until(
      () => stdout.includes(interrupt) || child.exitCode !== null,
      LIMIT_MS,
      () => `"${interrupt}" was not printed: ${stdout}${stderr}`,
    );
    process.kill(-(child.pid ?? 0), 'SIGINT');
  }
  await closed;
  return { code: child.exitCode, stdout, stderr, seconds: (performance.now() - startedMs) / 1000 };
}

async function result(seed: string | null): Promise<DemoResult> {
  const ran = await demo(['--json', ...(seed === null ? [] : ['--seed', seed])]);
  expect({ code: ran.code, stderr: ran.stderr }, `seed ${seed}`).toEqual({ code: 0, stderr: '' });
  nothingIsLeft();
  return JSON.parse(ran.stdout) as DemoResult;
}

/** No process that inherited this test's environment, no file in its temporary folder but the compile cache that is Node's own. */
function nothingIsLeft(): void {
  expect(readdirSync(folder).filter((name) => name !== 'node-compile-cache')).toEqual([]);
  if (process.platform !== 'linux') return;
  const left = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && environmentOf(pid).includes(mark));
  expect(left).toEqual([]);
}

function environmentOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

const RANDOM_SEEDS = Number(process.env['NERVE_DEMO_SEEDS'] ?? 3);

it('keeps the promise with the default seed and with others that nobody chose, and each is another story', { timeout: 4 * LIMIT_MS }, async () => {
  const seeds = [null, ...Array.from({ length: RANDOM_SEEDS }, () => `random-${randomInt(1_000_000)}`)];
  const results: DemoResult[] = [];
  for (const seed of seeds) {
    const r = await result(seed);
    results.push(r);
    expect(r, `seed ${seed}`).toMatchObject({ deadlineMet: true, simulated: ['prices', 'availability', 'carbon'] });
    expect(r.heldSeconds, `seed ${seed}`).toBeGreaterThan(0);
    expect(r.interruptions, `seed ${seed}`).toBeGreaterThanOrEqual(1);
    expect(new Set(r.zones).size, `seed ${seed}: ${r.zones.join(', ')}`).toBeGreaterThanOrEqual(2);
    expect(r.checkpointStep, `seed ${seed}`).toBeGreaterThan(0);
    expect(r.resumedStep, `seed ${seed}`).toBe(r.checkpointStep);
    expect(r.finalHash, `seed ${seed}`).toMatch(/^[0-9a-f]{64}$/);
    expect(r.uninterruptedHash, `seed ${seed}`).toBe(r.finalHash);
    expect(r.savingUsd).toBeCloseTo(r.onDemandCostUsd - r.costUsd, 12);
    for (const figure of [r.costUsd, r.onDemandCostUsd, r.carbonGrams, r.carbonGramsStartNow]) expect(figure, `seed ${seed}`).toBeGreaterThan(0);
    expect(r.lostWorkSeconds).toBeGreaterThanOrEqual(0);
  }
  const [byDefault] = results;
  expect((byDefault?.costUsd ?? 1) / (byDefault?.onDemandCostUsd ?? 1)).toBeLessThan(0.5);
  const story = (r: DemoResult): string => `${r.heldSeconds} ${r.zones.join()} ${r.checkpointStep}`;
  expect(new Set(results.map(story)).size).toBe(results.length);
  expect(new Set(results.map((r) => r.heldSeconds)).size).toBeGreaterThan(1);
  expect(new Set(results.map((r) => r.checkpointStep)).size).toBeGreaterThan(1);
});

it('ends on demand, on time and at a loss when spot stays away', { timeout: LIMIT_MS }, async () => {
  const r = await result('drought');
  expect(r).toMatchObject({ deadlineMet: true, finalHash: r.uninterruptedHash });
  expect(r.capacityTypes.at(-1)).toBe('on-demand');
  expect(r.savingUsd).toBeLessThan(0);
  expect(r.costUsd).toBeGreaterThan(r.onDemandCostUsd);
});

it('tells its story with no pause above three seconds, and ends with what to do next', { timeout: LIMIT_MS }, async () => {
  const ran = await demo(['--seed', 'told']);
  const lines = ran.stdout.trimEnd().split('\n');
  expect(ran.code).toBe(0);
  expect(lines[0]).toMatch(/^Real here: .*processes.*notice.*checkpoints.*Redis/);
  expect(lines[1]).toMatch(/^Simulated: prices/);
  expect(lines.at(-3)).toMatch(/^Saved \$.*\[simulated: prices, availability, carbon\]$/);
  expect(lines.at(-2)).toMatch(/^Survived 1 interruption .*equal those of an uninterrupted run/);
  expect(lines.at(-1)).toMatch(/^Try it on your own script: nerve up, then nerve submit/);
  nothingIsLeft();
});

it.each(['timing one training step', 'Held:', 'The training process runs', 'INTERRUPTION NOTICE'])(
  'cleans up and ends with 130 on Ctrl-C after "%s"',
  { timeout: LIMIT_MS },
  async (moment) => {
    const ran = await demo([], moment);
    expect(ran).toMatchObject({ code: 130, stderr: expect.stringContaining('everything the demo started is gone') });
    nothingIsLeft();
  },
);
