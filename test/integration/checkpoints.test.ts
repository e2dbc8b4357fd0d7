// Seal logs where they really are: a folder, and a real S3 (versitygw; skipped where the gate has not built it).

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { s3Program } from '../../scripts/tools.ts';
import { startS3, type TestS3 } from '../support/s3.ts';

const folder = mkdtempSync(join(tmpdir(), 'nerve-seals-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const seal = (step: number): string =>
  JSON.stringify({
    format: 1,
    nonce: 'n',
    type: 'checkpoint',
    job: null,
    attempt: 1,
    epoch: 1,
    step,
    data: 'data/a',
    files: [{ name: 'a', bytes: 1000, sha256: 'a'.repeat(64) }],
    durationMs: 20,
    reason: 'periodic',
    sealedAt: new Date().toISOString(),
  });

function nerve(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  return new Promise((done) => {
    const child = execFile(
      resolve('bin/nerve'),
      args,
      { cwd: folder, env: { ...process.env, NERVE_STATE_DIR: folder, ...env }, timeout: 60_000 },
      (_error, out, err) => done({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

describe('checkpoints in a folder', () => {
  const place = join(folder, 'ckpt');

  it('are listed, newest first', async () => {
    mkdirSync(join(place, 'seal'), { recursive: true });
    for (const n of [1, 2]) writeFileSync(join(place, 'seal', `000000000${n}.json`), seal(n * 10));
    writeFileSync(join(place, 'seal', '.tmp-abc'), 'no entry');
    const { code, out } = await nerve(['checkpoints', pathToFileURL(place).href]);
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/2 entries\nSEAL[^\n]*\n0000000002 +1 +20 +1\.0 kB[^]*0000000001 +1 +10/) });
  });

  it('that is not there yet is no error', async () => {
    expect(await nerve(['checkpoints', pathToFileURL(join(folder, 'none')).href])).toMatchObject({
      code: 0,
      out: expect.stringContaining('No seal is there yet'),
    });
  });
});

const program = await s3Program({ make: false });

describe.skipIf(program.is !== 'there')(`checkpoints in a bucket${program.is === 'there' ? '' : ` (skipped: ${program.why})`}`, () => {
  let s3: TestS3;
  beforeAll(async () => {
    s3 = await startS3(program.is === 'there' ? program.path : '');
    const client = new S3Client({
      endpoint: s3.endpoint,
      region: s3.env['AWS_REGION'] ?? '',
      forcePathStyle: true,
      credentials: { accessKeyId: s3.env['AWS_ACCESS_KEY_ID'] ?? '', secretAccessKey: s3.env['AWS_SECRET_ACCESS_KEY'] ?? '' },
    });
    // More than a page of the listing has room for.
    const numbers = Array.from({ length: 1005 }, (_, n) => n + 1);
    for (let at = 0; at < numbers.length; at += 50)
      await Promise.all(
        numbers
          .slice(at, at + 50)
          .map((n) =>
            client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: `team/j-1/seal/${String(n).padStart(10, '0')}.json`, Body: seal(n) })),
          ),
      );
    await client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: 'team/j-1/data/a', Body: 'x' }));
  });
  afterAll(() => s3.stop());

  it('are listed over all pages, newest first', async () => {
    const { code, out } = await nerve(['checkpoints', `s3://${s3.bucket}/team/j-1`, '--last', '3', '--json'], s3.env);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ total: 1005, seals: [{ number: 1005, step: 1005, bytes: 1000 }, { number: 1004 }, { number: 1003 }] });
  });

  it('of a bucket that is not there are exit 102, and wrong credentials are refused', async () => {
    expect(await nerve(['checkpoints', 's3://no-such-bucket/a'], s3.env)).toMatchObject({
      code: 102,
      err: expect.stringContaining('no bucket "no-such-bucket"'),
    });
    expect(await nerve(['checkpoints', `s3://${s3.bucket}/a`], { ...s3.env, AWS_SECRET_ACCESS_KEY: 'wrong' })).toMatchObject({
      code: 4,
      err: expect.stringMatching(/cannot be read with your credentials/),
    });
    expect(await nerve(['checkpoints', `s3://${s3.bucket}/a`], { ...s3.env, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' })).toMatchObject({
      code: 3,
      err: expect.stringMatching(/does not answer/),
    });
  });

  it('prove that two writers cannot both win, and leave nothing behind', async () => {
    const { s3SealLog } = await import('../../src/adapters/aws/s3.ts');
    const before = { ...process.env };
    // Undefined: to be left out. (`process.env` would keep the word.)
    for (const [name, value] of Object.entries(s3.env)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    try {
      const log = s3SealLog(`s3://${s3.bucket}/team/j-2`, { endpoint: s3.endpoint, region: 'eu-west-3' });
      expect(await log.tryOut()).toBe('ok');
      expect(await log.numbers()).toEqual([]);
    } finally {
      process.env = before;
    }
  });
});
