// A Python that has PyTorch: NERVE_PYTHON, else an environment in Nerve's cache, else python3; else one is made in the cache (some minutes,
// some gigabytes). The forecaster itself is run from this checkout.

import { globSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { run } from '../../scripts/shell.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = process.env['NERVE_CACHE_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'nerve');

let found: string | null = null;

/** Runs `python -m nerve_forecaster`; what it says goes to stderr, and it throws when it fails. */
export async function forecaster(args: readonly string[]): Promise<void> {
  found ??= await pythonWithTorch();
  const ran = await run(found, ['-m', 'nerve_forecaster', ...args], { cwd: ROOT, env: { PYTHONPATH: join(ROOT, 'python') }, limitSeconds: 3600 });
  process.stderr.write(ran.output);
  if (ran.code !== 0) throw new Error(`nerve_forecaster ${args[0] ?? ''} ended with ${ran.code}`);
}

async function pythonWithTorch(): Promise<string> {
  const own = join(CACHE, 'forecaster-venv');
  const named = process.env['NERVE_PYTHON'];
  const candidates = [
    ...(named === undefined ? [] : [named]),
    ...globSync(join(CACHE, '*', 'bin', 'python')).filter((path) => !path.includes('.part')),
    'python3',
  ];
  for (const python of candidates) if ((await run(python, ['-c', 'import torch'])).code === 0) return python;
  console.error(`No Python here has PyTorch: making one in ${own}. It takes some minutes.`);
  for (const [program, ...args] of [
    ['python3', '-m', 'venv', own],
    [join(own, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'torch'],
  ] as const) {
    const ran = await run(program, args, { limitSeconds: 1800 });
    if (ran.code !== 0) throw new Error(`PyTorch could not be installed: ${ran.output.trim().split('\n').at(-1) ?? ''}`);
  }
  return join(own, 'bin', 'python');
}
