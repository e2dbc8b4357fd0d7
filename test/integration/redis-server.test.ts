import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startRedis } from '../../src/adapters/redis-server/start.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ns-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program that is started as Redis is, and gives each PING the answer of `answer(ms since its start)`; null: none. */
function pretender(answer: string): string {
  const program = join(folder, 'pretender');
  writeFileSync(
    program,
    `#!${process.execPath}
const answer = ${answer};
const since = performance.now();
console.log('here I am');
const socketPath = process.argv[process.argv.indexOf('--unixsocket') + 1];
require('node:net').createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', () => { const said = answer(performance.now() - since); if (said !== null) socket.write(said + '\\r\\n'); });
}).listen(socketPath);
`,
  );
  chmodSync(program, 0o755);
  return program;
}

const start = (program: string, patienceMs?: number) =>
  startRedis({ program, dataDir: join(folder, 'data'), socketDir: folder, ...(patienceMs === undefined ? {} : { patienceMs }) });

describe('a Redis that is started', () => {
  it('is waited for while it loads its file, however long that takes', async () => {
    const sinceMs = performance.now();
    const redis = await start(pretender(`(ms) => (ms < 4000 ? '-LOADING it reads its file' : '+PONG')`), 2000);
    expect(performance.now() - sinceMs).toBeGreaterThan(4000);
    await redis.stop();
  });

  it('and says nothing is ended, with what it printed', async () => {
    await expect(start(pretender('() => null'), 1500)).rejects.toMatchObject({ kind: 'fatal', hint: expect.stringContaining('here I am') });
  });

  it('and cannot be found, or dies at once, is told at once', async () => {
    await expect(start(join(folder, 'nothing'))).rejects.toMatchObject({ kind: 'fatal', hint: expect.stringContaining('ENOENT') });
    const dies = join(folder, 'dies');
    writeFileSync(dies, '#!/bin/sh\necho out of order\nkill -9 $$\n');
    chmodSync(dies, 0o755);
    const sinceMs = performance.now();
    await expect(start(dies)).rejects.toMatchObject({ kind: 'fatal', hint: expect.stringContaining('out of order') });
    expect(performance.now() - sinceMs).toBeLessThan(5000);
  });
});
