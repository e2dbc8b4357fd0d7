import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keepSynced } from '../../src/adapters/redis-server/keep-synced.ts';

let folder: string;
let stop: () => void = () => undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nerve-synced-'));
});
afterEach(() => {
  stop();
  rmSync(folder, { recursive: true });
});

it('syncs the files that grow, again and again, also ones that come later and after one that failed', async () => {
  const synced: string[] = [];
  stop = keepSynced(
    folder,
    async (path) => {
      synced.push(basename(path));
      if (synced.length === 1) throw new Error('EIO');
    },
    5,
  );
  await new Promise((go) => setTimeout(go, 30));
  expect(synced).toEqual([]);
  mkdirSync(join(folder, 'appendonlydir'));
  for (const name of ['appendonly.aof.1.base.rdb', 'appendonly.aof.1.incr.aof', 'appendonly.aof.manifest'])
    writeFileSync(join(folder, 'appendonlydir', name), '');
  await expect.poll(() => synced.length).toBeGreaterThan(2);
  expect(new Set(synced)).toEqual(new Set(['appendonly.aof.1.incr.aof']));
  stop();
  const count = synced.length;
  await new Promise((go) => setTimeout(go, 30));
  expect(synced.length).toBeLessThanOrEqual(count + 1);
});

it('syncs a real file, and bears one that is none', async () => {
  mkdirSync(join(folder, 'appendonlydir', 'folder.incr.aof'), { recursive: true });
  writeFileSync(join(folder, 'appendonlydir', 'appendonly.aof.1.incr.aof'), 'x');
  stop = keepSynced(folder, undefined, 1);
  await new Promise((go) => setTimeout(go, 30));
});
