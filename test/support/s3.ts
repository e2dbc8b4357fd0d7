// A real S3 for tests: versitygw on a temporary folder, on the loopback, with keys that nobody else knows. A test that needs it asks
// `s3Program({ make: false })` (scripts/tools.ts) first and is skipped, with its reason, where that is missing.
//
// Surprises: it cannot be asked for a free port, so one is picked and the start repeated if somebody was faster; and whoever answers on
// that port must know the secret health path, or it is not ours.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestS3 {
  readonly endpoint: string;
  readonly bucket: string;
  /** For a process that talks to it: endpoint, keys and region, and none of this user's own AWS settings (undefined: not set). */
  readonly env: Readonly<Record<string, string | undefined>>;
  stop(): Promise<void>;
}

const BUCKET = 'nerve-test';
const REGION = 'eu-west-3';
const STARTS = 5;
const READY_TIMEOUT_MS = 20_000;

interface Keys {
  readonly id: string;
  readonly secret: string;
}

export async function startS3(program: string): Promise<TestS3> {
  const keys = { id: randomBytes(10).toString('hex'), secret: randomBytes(20).toString('hex') };
  for (let start = 1; ; start += 1) {
    const server = await launch(program, keys);
    if (server.ready) return { endpoint: server.endpoint, bucket: BUCKET, env: clientEnvironment(server.endpoint, keys), stop: server.end };
    await server.end();
    if (start === STARTS || !/address already in use/i.test(server.printed())) {
      throw new Error(`${program} did not start. It printed: ${server.printed().trim() || 'nothing'}`);
    }
  }
}

interface Launched {
  readonly ready: boolean;
  readonly endpoint: string;
  readonly printed: () => string;
  readonly end: () => Promise<void>;
}

async function launch(program: string, keys: Keys): Promise<Launched> {
  const folder = mkdtempSync(join(tmpdir(), 'nerve-s3-'));
  // A folder below the data folder is a bucket.
  for (const name of [join('data', BUCKET), 'meta']) mkdirSync(join(folder, name), { recursive: true });
  const port = await freePort();
  const health = `/${randomBytes(10).toString('hex')}`;
  const listening = ['--port', `127.0.0.1:${port}`, '--region', REGION, '--health', health, '--quiet'];
  // Metadata beside the data, not in extended attributes: not every temporary folder has those.
  const child = spawn(program, [...listening, 'posix', '--sidecar', join(folder, 'meta'), join(folder, 'data')], {
    env: { ...withoutSettings(), ROOT_ACCESS_KEY: keys.id, ROOT_SECRET_KEY: keys.secret },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = keepLast(child);
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const dropAll = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', dropAll);
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    ready: await answers(endpoint + health, child),
    endpoint,
    printed,
    end: async () => {
      // Nothing in it is worth an orderly end.
      child.kill('SIGKILL');
      await exited;
      process.off('exit', dropAll);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function clientEnvironment(endpoint: string, keys: Keys): Readonly<Record<string, string | undefined>> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: keys.id,
    AWS_SECRET_ACCESS_KEY: keys.secret,
    AWS_SESSION_TOKEN: undefined,
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_PROFILE: undefined,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}

/** versitygw also reads its settings from the environment. */
function withoutSettings(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VGW_|ROOT_|LOGFILE$|WEBHOOK$)/.test(name)));
}

function keepLast(child: ChildProcess): () => string {
  let printed = '';
  const keep = (chunk: Buffer): void => {
    printed = (printed + chunk.toString()).slice(-2000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.once('error', (error) => keep(Buffer.from(error.message)));
  return () => printed;
}

async function answers(url: string, child: ChildProcess): Promise<boolean> {
  const readyBy = performance.now() + READY_TIMEOUT_MS;
  while (child.exitCode === null && child.signalCode === null && child.pid !== undefined && performance.now() < readyBy) {
    const ok = await fetch(url, { signal: AbortSignal.timeout(1000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}
