import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lock, readUp, writeUp } from '../../src/adapters/local/up-file.ts';
import { identify, type ProcessIdentity } from '../../src/adapters/process/identity.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nerve-up-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const upFile = (): string => join(folder, 'local', 'up.json');
const SOURCE = resolve('src/adapters/local/up-file.ts');

/** A process that has lived, and whose pid and start time nobody else has. */
async function dead(): Promise<ProcessIdentity> {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const identity = identify(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  if (identity === null) throw new Error('it did not start');
  return identity;
}

it('a second owner is refused while the first lives, and let in when it has released', () => {
  const held = lock(upFile());
  expect(() => lock(upFile())).toThrow(
    expect.objectContaining({ kind: 'refused', message: expect.stringContaining(`pid ${process.pid}`), hint: expect.stringContaining('nerve down') }),
  );
  held.release();
  lock(upFile()).release();
  expect(readdirSync(join(folder, 'local'))).toEqual([]);
});

it('a dead owner gives way, also when a stranger has its pid by now', async () => {
  lock(upFile()).release();
  for (const owner of [await dead(), { pid: process.pid, startTime: 'another life' }]) {
    writeFileSync(`${upFile()}.lock`, JSON.stringify(owner));
    expect(() => lock(upFile()).release()).not.toThrow();
  }
});

it('of many that start at once exactly one gets it', async () => {
  lock(upFile()).release();
  writeFileSync(`${upFile()}.lock`, JSON.stringify(await dead()));
  const program = `import { lock } from ${JSON.stringify(SOURCE)};
    const at = Number(process.argv[2]);
    while (Date.now() < at);
    try { lock(process.argv[1]); console.log('mine'); setTimeout(() => {}, 3000); } catch { console.log('refused'); }`;
  const at = Date.now() + 1500;
  const answers = await Promise.all(
    Array.from(
      { length: 6 },
      () =>
        new Promise<string>((done) => {
          execFile(process.execPath, ['--input-type=module', '-e', program, upFile(), String(at)], (_error, stdout) => done(stdout.trim()));
        }),
    ),
  );
  expect(answers.toSorted()).toEqual(['mine', 'refused', 'refused', 'refused', 'refused', 'refused']);
});

it('the running cluster is known by a living owner only', async () => {
  lock(upFile()).release();
  const info = { cloudSocket: '/c', redisUrl: '/r', clock: { realMs: 0, virtualMs: 0, speed: 1 } };
  expect(readUp(upFile())).toBeNull();
  const me = identify(process.pid);
  if (me === null) throw new Error('this process is not there');
  writeUp(upFile(), { ...info, owner: me });
  expect(readUp(upFile())).toMatchObject({ owner: me, redisUrl: '/r' });
  writeUp(upFile(), { ...info, owner: await dead() });
  expect(readUp(upFile())).toBeNull();
});
