// A real Redis of its own for a test file, in a temporary folder.

import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedisServer } from '../../src/adapters/redis-server/find.ts';
import { type RunningRedis, startRedis } from '../../src/adapters/redis-server/start.ts';

export interface TestRedis {
  readonly url: string;
  readonly server: RunningRedis;
  /** kill -9, then start again on the same data. */
  crash(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function testRedis(): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'nv-'));
  const { path } = await findRedisServer({ cacheDir: join(homedir(), '.cache', 'nerve'), pathVariable: process.env['PATH'] ?? '' });
  const options = { program: path, dataDir: join(folder, 'data'), socketDir: folder };
  let server = await startRedis(options);
  return {
    url: server.socketPath,
    get server() {
      return server;
    },
    crash: async () => {
      const gone = new Promise((resolve) => server.child.once('exit', resolve));
      server.child.kill('SIGKILL');
      await gone;
    },
    start: async () => {
      server = await startRedis(options);
    },
    stop: async () => {
      if (server.child.exitCode === null && server.child.signalCode === null) await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
