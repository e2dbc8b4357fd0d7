// A disk so small that a test can fill it. It takes root on Linux to mount one; elsewhere there is none.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TinyDisk {
  /** Leaves not one byte. */
  fill(): void;
  makeRoom(): void;
  unmount(): void;
}

export function tinyDisk(folder: string, kilobytes: number): TinyDisk | null {
  mkdirSync(folder, { recursive: true });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder]).status !== 0) return null;
  const ballast = join(folder, 'ballast');
  return {
    fill: () => {
      for (const size of [65_536, 4096, 1]) {
        try {
          for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: 'a' });
        } catch {
          // Full for pieces of this size.
        }
      }
    },
    makeRoom: () => rmSync(ballast, { force: true }),
    // Lazily: a process that ends at this moment may still have a file open.
    unmount: () => void spawnSync('umount', ['-l', folder]),
  };
}

export function canMakeTinyDisks(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'nd-'));
  const disk = tinyDisk(folder, 64);
  disk?.unmount();
  rmSync(folder, { recursive: true, force: true });
  return disk !== null;
}
