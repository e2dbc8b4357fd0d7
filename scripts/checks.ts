// The static checks: one list that `npm run check`, the gate and `npm run check:self` share. Each counts as one.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Ran, run } from './shell.ts';

export type CheckName = 'format' | 'types' | 'lint' | 'imports' | 'dead-code' | 'dead-code-production' | 'python';

export interface Check {
  readonly name: CheckName;
  readonly what: string;
  readonly run: (root: string) => Promise<Ran>;
}

const tool =
  (name: string, ...args: readonly string[]) =>
  (root: string): Promise<Ran> =>
    run(join(root, 'node_modules', '.bin', name), args, { cwd: root, limitSeconds: 300 });

export const CHECKS: readonly Check[] = [
  { name: 'format', what: 'biome format', run: tool('biome', 'format', '--colors=off', '.') },
  { name: 'types', what: 'tsc', run: tool('tsc', '-p', '.') },
  { name: 'lint', what: 'oxlint, type-aware', run: tool('oxlint', '--type-aware', '--deny-warnings') },
  { name: 'imports', what: 'dependency-cruiser', run: importRules },
  { name: 'dead-code', what: 'knip', run: tool('knip', '--no-progress', '--no-config-hints') },
  { name: 'dead-code-production', what: 'knip, without tests', run: tool('knip', '--production', '--no-progress', '--no-config-hints') },
  { name: 'python', what: 'Python 3.9 grammar', run: (root) => run('python3', ['scripts/check_python.py'], { cwd: root }) },
];

/** dependency-cruiser is green when it could read nothing: then it saw fewer modules than there are files. */
async function importRules(root: string): Promise<Ran> {
  const folders = ['src', 'test', 'scripts', 'bench'].filter((folder) => existsSync(join(root, folder)));
  const ran = await tool('depcruise', ...folders, '--config', '.dependency-cruiser.mjs')(root);
  const cruised = Number(/\((\d+) modules,/.exec(ran.output)?.[1] ?? 0);
  const files = folders.reduce((n, folder) => n + sourcesIn(join(root, folder)), 0);
  if (ran.code !== 0 || cruised >= files) return ran;
  return { ...ran, code: 1, output: `${ran.output}\nIt saw ${cruised} modules, but there are ${files} source files.\n` };
}

function sourcesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.name.endsWith('.ts')).length;
}
