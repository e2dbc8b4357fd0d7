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
  /** For a process that talks to it: endpoint, keys and region, and none of this user's own AWS settings. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const BUCKET = 'nerve-test';
const REGION = 'eu-west-3';
const STARTS = 5;
const READY_TIMEOUT_MS = 20_000;

export async function startS3(program: string): Promise<TestS3> {
  const folder = mkdtempSync(join(tmpdir(), 'nerve-s3-'));
  for (const name of [join('data', BUCKET), 'meta']) mkdirSync(join(folder, name), { recursive: true });
  const keys = { id: randomBytes(10).toString('hex'), secret: randomBytes(20).toString('hex') };
  const env = { ...withoutSettings(), ROOT_ACCESS_KEY: keys.id, ROOT_SECRET_KEY: keys.secret };
  for (let start = 1; ; start += 1) {
    const port = await freePort();
    const health = `/${randomBytes(10).toString('hex')}`;
    // Metadata beside the data, not in extended attributes: not every temporary folder has those.
    const where = ['posix', '--sidecar', join(folder, 'meta'), join(folder, 'data')];
    const child = spawn(program, ['--port', `127.0.0.1:${port}`, '--region', REGION, '--health', health, '--quiet', ...where], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed = keepLast(child);
    const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const end = (): void => {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    };
    process.once('exit', end);
    const endpoint = `http://127.0.0.1:${port}`;
    if (await answers(endpoint + health, child)) {
      return {
        endpoint,
        bucket: BUCKET,
        env: clientEnvironment(endpoint, keys),
        stop: async () => {
          child.kill('SIGTERM');
          const late = setTimeout(() => child.kill('SIGKILL'), 5000);
          await exited;
          clearTimeout(late);
          process.off('exit', end);
          rmSync(folder, { recursive: true, force: true });
        },
      };
    }
    child.kill('SIGKILL');
    await exited;
    process.off('exit', end);
    if (start === STARTS || !/address already in use/i.test(printed())) {
      rmSync(folder, { recursive: true, force: true });
      throw new Error(`${program} did not start. It printed: ${printed().trim() || 'nothing'}`);
    }
  }
}

function clientEnvironment(endpoint: string, keys: { readonly id: string; readonly secret: string }): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: keys.id,
    AWS_SECRET_ACCESS_KEY: keys.secret,
    AWS_SESSION_TOKEN: '',
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_PROFILE: '',
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
