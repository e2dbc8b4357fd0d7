import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keepSynced, syncFile } from '../../src/adapters/redis-server/keep-synced.ts';

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
  let done = 0;
  stop = keepSynced(
    folder,
    async (path) => {
      synced.push(basename(path));
      if (synced.length === 1) throw new Error('EIO');
      await syncFile(path);
      done += 1;
    },
    5,
  );
  await new Promise((go) => setTimeout(go, 30));
  expect(synced).toEqual([]);
  mkdirSync(join(folder, 'appendonlydir'));
  for (const name of ['appendonly.aof.1.base.rdb', 'appendonly.aof.1.incr.aof', 'appendonly.aof.manifest'])
    writeFileSync(join(folder, 'appendonlydir', name), '');
  await expect.poll(() => done).toBeGreaterThan(2);
  expect(new Set(synced)).toEqual(new Set(['appendonly.aof.1.incr.aof']));
  stop();
  const count = synced.length;
  await new Promise((go) => setTimeout(go, 30));
  expect(synced.length).toBeLessThanOrEqual(count + 1);
});
