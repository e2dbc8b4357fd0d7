// The bundle leaves out or lightens some of oclif's packages (scripts/light-start.ts): what it prints must not differ from the source's.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';

const text = (file: string, args: readonly string[]): string =>
  execFileSync(process.execPath, [file, ...args], { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' } });

it.each([[['--help']], [['submit', '--help']], [['set', '--help']], [['config', '--help']], [['config', 'show', '--help']], [['--version']]])(
  'the bundle answers %j as the source does',
  { timeout: 30_000 },
  (args) => {
    expect(existsSync('dist/cli.js'), 'dist/cli.js is there: npm run build').toBe(true);
    expect(text('dist/cli.js', args)).toBe(text('src/cli.ts', args));
  },
);
