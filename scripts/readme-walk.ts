// Does what the README's first code block says, as printed, in a fresh clone of this commit: two lines, each must end with 0.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Result } from './results.ts';
import { run } from './shell.ts';

export async function readmeWalk(): Promise<Result> {
  const lines = firstCodeBlock(readFileSync('README.md', 'utf8'));
  if (lines.length !== 2) {
    console.error(`The README's first code block has ${lines.length} lines, not two.`);
    return { passed: 0, failed: 1, skipped: [] };
  }
  const folder = mkdtempSync(join(tmpdir(), 'nerve-walk-'));
  try {
    const cloned = await run('git', ['clone', '--quiet', process.cwd(), join(folder, 'nerve')]);
    if (cloned.code !== 0) throw new Error(cloned.output);
    // As a newcomer's shell has it: without this checkout's own tools.
    const path = (process.env['PATH'] ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'));
    let passed = 0;
    for (const line of lines) {
      console.log(`$ ${line}`);
      const ran = await run('bash', ['-c', line], { cwd: join(folder, 'nerve'), env: { PATH: path.join(delimiter) }, echo: true });
      if (ran.code === 0) passed += 1;
      console.log(`(ended with ${ran.code} after ${ran.seconds.toFixed(0)} s)`);
    }
    return { passed, failed: lines.length - passed, skipped: [] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function firstCodeBlock(markdown: string): readonly string[] {
  const block = /^```\w*\n([\s\S]*?)^```/m.exec(markdown)?.[1] ?? '';
  return block.split('\n').filter((line) => line.trim() !== '');
}
