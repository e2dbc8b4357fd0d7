// The image runs: its files, unpacked from the archive, are a whole root for the user that the chart names. Without root rights there
// is no chroot, and the tests are reported as skipped.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const why = process.platform !== 'linux' ? 'this is no Linux' : process.getuid?.() !== 0 ? 'chroot needs root' : null;

describe.skipIf(why !== null)(`the image${why === null ? '' : ` (skipped: ${why})`}`, () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nerve-image-run-'));
    // The bundle is the one that global setup made.
    execFileSync(process.execPath, ['scripts/image.ts', '--no-build', '--load', join(folder, 'image.tar')], { stdio: 'pipe' });
    execFileSync(
      'sh',
      ['-c', 'mkdir root && tar -xf image.tar && for l in $(sed "s/.*Layers\\":\\[//; s/[],\\"}]/ /g" manifest.json); do tar -xzpf $l -C root; done'],
      {
        cwd: folder,
      },
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const inside = (...command: readonly string[]): string =>
    execFileSync('chroot', ['--userspec=65532:65532', join(folder, 'root'), ...command], {
      encoding: 'utf8',
      env: { PATH: '/usr/local/bin:/usr/sbin:/usr/bin', HOME: '/tmp' },
      cwd: '/',
    });

  it('starts nerve by its name', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
    expect(inside('/usr/local/bin/nerve', '--version')).toContain(`nerve/${version}`);
  });

  it.each(['worker', 'agent'])('starts the %s with the flags of the chart', (program) => {
    const flags = ['--optimize-for-size', '--v8-pool-size=1', '--max-semi-space-size=1', '--max-old-space-size=32'];
    expect(inside('/usr/local/bin/node', ...flags, '/opt/nerve/dist/cli.js', program, '--help')).toContain(`nerve ${program}`);
  });

  it("brings the server for the chart's own Redis", () => {
    expect(inside('/usr/local/bin/valkey-server', '--version')).toContain('Valkey server v=');
  });

  it('reads the names that the kubelet writes, and knows whom to trust without a file', () => {
    writeFileSync(join(folder, 'root/etc/hosts'), '10.9.8.7 redis.nerve.svc\n');
    const script = "require('dns').lookup('redis.nerve.svc', (e, a) => console.log(e ?? a, require('tls').rootCertificates.length > 100))";
    expect(inside('/usr/local/bin/node', '-e', script)).toBe('10.9.8.7 true\n');
  });

  it('brings the checkpoint SDK for the first job', () => {
    const copy = "require('fs').cpSync('/opt/nerve/python', '/tmp/sdk', { recursive: true })";
    expect(readFileSync('examples/cluster/job.yaml', 'utf8')).toContain(copy.replace('/tmp/sdk', '/nerve'));
    inside('/usr/local/bin/node', '-e', copy);
    const sdk = join(folder, 'root/tmp/sdk');
    const env = { ...process.env, PYTHONPATH: sdk, NERVE_CHECKPOINT_URI: `file://${folder}/checkpoints`, NERVE_JOB_ID: 'j-1', NERVE_ATTEMPT: '1' };
    const said = execFileSync('python3', [join(sdk, 'train_stdlib.py'), '--steps', '2'], { encoding: 'utf8', env, cwd: folder });
    expect(said).toContain('final weights sha256');
  });

  it('hands on the licences of what it is made of, and stays small', () => {
    for (const of of ['node/LICENSE', 'valkey/LICENSE', 'nerve/THIRD-PARTY-LICENSES']) {
      expect(statSync(join(folder, 'root/usr/share/doc', of)).size).toBeGreaterThan(1000);
    }
    expect(readFileSync(join(folder, 'root/usr/share/doc/nerve/THIRD-PARTY-LICENSES'), 'utf8')).toMatch(/^=== ioredis [\d.]+ \(MIT\)$/m);
    expect(statSync(join(folder, 'image.tar')).size).toBeLessThan(64 * 2 ** 20);
  });
});
