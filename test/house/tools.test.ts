// The tools that the gate makes for the tests: an environment is whole or not there, whoever is killed and however many make it at
// once; and the S3 server answers only those who know its keys.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Ran, run } from '../../scripts/shell.ts';
import { s3Program } from '../../scripts/tools.ts';
import { startS3 } from '../support/s3.ts';

const work = mkdtempSync(join(tmpdir(), 'nerve-tools-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('the environment of the Python tests', { timeout: 180_000 }, () => {
  const requirements = join(work, 'requirements.txt');
  const wheel = join(work, 'nerve_probe-1-py3-none-any.whl');
  let cache: string;

  beforeAll(() => {
    const info = 'nerve_probe-1.dist-info/';
    const files = {
      'nerve_probe.py': '',
      [`${info}METADATA`]: 'Metadata-Version: 2.1\nName: nerve-probe\nVersion: 1\n',
      [`${info}WHEEL`]: 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
      [`${info}RECORD`]: `nerve_probe.py,,\n${info}METADATA,,\n${info}WHEEL,,\n${info}RECORD,,\n`,
    };
    const zip = 'import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],"w")\nfor n,t in json.loads(sys.argv[2]).items(): z.writestr(n,t)\nz.close()';
    execFileSync('python3', ['-c', zip, wheel, JSON.stringify(files)]);
    writeFileSync(requirements, `${wheel}\n`);
  });
  beforeEach(() => {
    cache = mkdtempSync(join(work, 'cache-'));
  });

  const asked = (pins: string, ...more: readonly string[]): string[] => ['scripts/python_env.py', pins, cache, ...more];
  const make = (imports: string, pins = requirements): Promise<Ran> =>
    run('python3', asked(pins, '--make', '--imports', imports), { env: { PIP_NO_INDEX: '1' } });
  const left = (): readonly string[] => readdirSync(cache).filter((name) => !name.endsWith('.lock'));

  it('is whole or not there: one is killed half-way, then two make it at once, and one of them does the work', async () => {
    const victim = spawn('python3', asked(requirements, '--make', '--imports', 'nerve_probe'), { stdio: 'ignore' });
    const ended = new Promise((resolve) => victim.once('close', resolve));
    await until(() => left().some((name) => existsSync(join(cache, name, 'bin', 'python'))));
    // Its venv or pip lives on for a while.
    victim.kill('SIGKILL');
    await ended;
    expect(left()).toEqual([expect.stringMatching(/\.part$/)]);
    const missing = await run('python3', asked(requirements));
    expect(missing).toMatchObject({ code: 3, output: 'it was not made yet\n' });

    const both = await Promise.all([make('nerve_probe'), make('nerve_probe')]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(both.filter(({ output }) => output.includes('Successfully installed'))).toHaveLength(1);
    const path = (await run('python3', asked(requirements))).output.trim();
    for (const { output } of both) expect(output).toContain(path);
    expect((await run(path, ['-c', 'import nerve_probe'])).code).toBe(0);
    expect(left()).toHaveLength(1);
  });

  it('cannot be had where pip finds nothing: it says so and leaves nothing', async () => {
    const pins = join(work, 'unknown.txt');
    writeFileSync(pins, 'nerve-probe-that-nobody-serves==1\n');
    const ran = await make('nerve_probe', pins);
    expect(ran.code).toBe(3);
    expect(ran.output.trimEnd().split('\n').at(-1)).toMatch(/^pip failed: .*nerve-probe-that-nobody-serves/);
    expect(left()).toEqual([]);
  });

  it('is a failure, not a skip, where everything was installed and does not work', async () => {
    const ran = await make('nerve_probe,json,no_such_module');
    expect(ran.code).toBe(1);
    expect(ran.output).toMatch(/import nerve_probe,json,no_such_module` fails/);
    expect(left()).toEqual([]);
  });
});

const program = await s3Program({ make: false });

describe.skipIf(program.is !== 'there')('the S3 of the tests', () => {
  it('runs beside another one, answers strangers with 403, and is gone without a trace', async () => {
    if (program.is !== 'there') return;
    const [one, other] = await Promise.all([startS3(program.path), startS3(program.path)]);
    expect(one.endpoint).not.toBe(other.endpoint);
    expect(one.env['AWS_SECRET_ACCESS_KEY']).not.toBe(other.env['AWS_SECRET_ACCESS_KEY']);
    expect((await fetch(`${one.endpoint}/${one.bucket}/x`)).status).toBe(403);
    await one.stop();
    await expect(fetch(`${one.endpoint}/${one.bucket}/x`)).rejects.toThrow(/fetch failed/);
    expect((await fetch(`${other.endpoint}/${other.bucket}/x`)).status).toBe(403);
    await other.stop();
  });

  it('says what was wrong when it does not start', async () => {
    await expect(startS3('/bin/false')).rejects.toThrow(/did not start/);
    await expect(startS3('/no/such/program')).rejects.toThrow(/ENOENT/);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}
