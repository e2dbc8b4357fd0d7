// Checkpoints in a folder of this machine.

import { link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NerveError } from '../../engine/errors.ts';
import type { SealLog } from '../../ports.ts';

const MAX_ENTRY_BYTES = 1 << 20;

/** `file:///folder` */
export function fileSealLog(uri: string): SealLog {
  const folder = fileURLToPath(uri);
  const entryPath = (number: number): string => join(folder, 'seal', `${String(number).padStart(10, '0')}.json`);
  return {
    numbers: async () => {
      const names = await readdir(join(folder, 'seal')).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') return [];
        throw new NerveError('refused', `${uri} cannot be read: ${cause.message}`, { cause, hint: 'Check its owner and mode.' });
      });
      const numbers = names.flatMap((name) => /^(\d{10})\.json$/.exec(name)?.[1] ?? []).map(Number);
      return numbers.sort((a, b) => a - b);
    },
    entry: async (number) => {
      const path = entryPath(number);
      const info = await stat(path).catch(() => null);
      return info === null || !info.isFile() || info.size > MAX_ENTRY_BYTES ? null : readFile(path, 'utf8').catch(() => null);
    },
    tryOut: async () => {
      const trial = join(folder, `doctor-${randomBytes(8).toString('hex')}`);
      try {
        await mkdir(trial, { recursive: true });
        await writeFile(join(trial, 'a'), 'a');
        await link(join(trial, 'a'), join(trial, 'b'));
        const refused = await link(join(trial, 'a'), join(trial, 'b')).then(
          () => false,
          (error: NodeJS.ErrnoException) => error.code === 'EEXIST',
        );
        return refused ? 'ok' : 'no-fence';
      } catch (cause) {
        throw new NerveError('refused', `${uri} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, {
          cause,
          hint: 'Checkpoints need a folder that you may write, on a file system with hard links.',
        });
      } finally {
        await rm(trial, { recursive: true, force: true }).catch(() => undefined);
      }
    },
  };
}
