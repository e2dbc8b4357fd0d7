// The command line starts from its source, as bin/nerve does where nothing was built: the table of commands is found, and exit codes arrive.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const home = mkdtempSync(join(tmpdir(), 'nerve-start-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

function nerve(...args: readonly string[]): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const env = { ...process.env, HOME: home, KUBECONFIG: '', NERVE_STATE_DIR: home, NODE_ENV: 'development' };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['src/cli.ts', ...args], { env }, (_error, out, err) => resolve({ code: child.exitCode, out, err }));
  });
}

it('lists its commands', async () => {
  const { code, out, err } = await nerve('--help');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const command of ['submit', 'status', 'explain', 'up', 'demo']) expect(out).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
});

it('ends with 3 when there is nothing to talk to, and says what to do', async () => {
  const { code, err } = await nerve('list');
  expect(code).toBe(3);
  expect(err).toContain('nerve up');
});

it('ends with 2 on a flag that does not exist', async () => {
  expect((await nerve('list', '--no-such-flag')).code).toBe(2);
});
