// Puts what Redis has written on the disk, once a second, from outside. Redis's own `everysec` does the same, but while a sync takes long it
// answers for up to two seconds without having written at all, and `always` ends the server when the disk is full (docs/decisions/0012-sync-every-second.md).

import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const EVERY_MS = 1000;
/** Where Redis keeps its append-only files, in its data folder. */
const FOLDER = 'appendonlydir';

/** Until the answer is called. A file that cannot be synced is tried again: Redis itself says so when it cannot write. */
export function keepSynced(dataDir: string, sync: (path: string) => Promise<void> = syncFile, everyMs = EVERY_MS): () => void {
  const folder = join(dataDir, FOLDER);
  let timer: NodeJS.Timeout | null = null;
  let stopped = false;
  const round = async (): Promise<void> => {
    const names = await readdir(folder).catch(() => []);
    for (const name of names) if (name.endsWith('.incr.aof')) await sync(join(folder, name)).catch(() => undefined);
    if (!stopped) timer = setTimeout(() => void round(), everyMs).unref();
  };
  timer = setTimeout(() => void round(), everyMs).unref();
  return () => {
    stopped = true;
    if (timer !== null) clearTimeout(timer);
  };
}

/** @internal */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}
