// The parts of `npm run image` that need no build: the archive, and a push to a registry that checks what it is given.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archive, image } from '../../scripts/image/oci.ts';
import { parseTarget, push } from '../../scripts/image/push.ts';
import { type Entry, tar } from '../../scripts/image/tar.ts';
import { startRegistry } from '../support/registry.ts';

const LONG = `${'long/'.repeat(30)}name`;
const ENTRIES: readonly Entry[] = [
  { kind: 'file', path: 'usr/bin/program', bytes: Buffer.from('#!/bin/sh\n'), executable: true },
  { kind: 'file', path: LONG, bytes: Buffer.alloc(1025, 'x') },
  { kind: 'link', path: 'usr/bin/other', target: '/usr/bin/program' },
  { kind: 'folder', path: 'tmp', mode: 0o1777 },
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nerve-image-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function untar(bytes: Buffer): void {
  writeFileSync(join(folder, 'x.tar'), bytes);
  execFileSync('tar', ['-xpf', 'x.tar'], { cwd: folder });
}

describe('the archive', () => {
  it('is what tar itself reads', () => {
    untar(tar(ENTRIES));
    expect(readFileSync(join(folder, 'usr/bin/program'), 'utf8')).toBe('#!/bin/sh\n');
    expect(statSync(join(folder, 'usr/bin/program')).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(folder, LONG))).toHaveLength(1025);
    expect(lstatSync(join(folder, 'tmp')).mode & 0o7777).toBe(0o1777);
    expect(readlinkSync(join(folder, 'usr/bin/other'))).toBe('/usr/bin/program');
  });

  it('is the same for the same files in another order', () => {
    expect(tar(ENTRIES.toReversed())).toEqual(tar(ENTRIES));
  });

  it('refuses a name that tar would cut', () => {
    expect(() => tar([{ kind: 'file', path: 'n'.repeat(101), bytes: Buffer.alloc(0) }])).toThrow('longer than tar allows');
  });
});

describe('the image', () => {
  const built = image([ENTRIES, [{ kind: 'file', path: 'opt/app', bytes: Buffer.from('app') }]], '1.2.3');

  it('names its parts by what is in them, in both layouts', () => {
    untar(archive(built, 'localhost/nerve:1.2.3'));
    const read = (path: string): Buffer => readFileSync(join(folder, path));
    const json = (path: string): unknown => JSON.parse(read(path).toString());
    const [{ Config, Layers, RepoTags } = { Config: '', Layers: [], RepoTags: [] }] = json('manifest.json') as {
      Config: string;
      Layers: string[];
      RepoTags: string[];
    }[];
    expect(RepoTags).toEqual(['localhost/nerve:1.2.3']);
    for (const path of [Config, ...Layers]) expect(path).toBe(`blobs/sha256/${createHash('sha256').update(read(path)).digest('hex')}`);
    expect(json('index.json')).toMatchObject({
      manifests: [
        { digest: built.manifest.digest, size: built.manifest.bytes.length, annotations: { 'io.containerd.image.name': 'localhost/nerve:1.2.3' } },
      ],
    });
    // The configuration names the layers as they are unpacked.
    const unpacked = Layers.map((path) =>
      createHash('sha256')
        .update(execFileSync('gzip', ['-dc', path], { cwd: folder }))
        .digest('hex'),
    );
    expect(json(Config)).toMatchObject({ config: { User: '65532:65532' }, rootfs: { diff_ids: unpacked.map((hex) => `sha256:${hex}`) } });
  });

  it('is pushed blob by blob, then the manifest; what is there already is not sent again', async () => {
    const registry = await startRegistry();
    try {
      const target = parseTarget(`${registry.host}/team/nerve`, '1.2.3');
      expect(await push(built, target, { credentialsFile: join(folder, 'none.json') })).toBe(built.manifest.digest);
      expect(registry.manifests.get('team/nerve:1.2.3')).toEqual(built.manifest.bytes);
      expect([...registry.blobs.keys()].toSorted()).toEqual([...built.layers, built.config].map(({ digest }) => digest).toSorted());
      const pulled = async (path: string): Promise<Buffer> =>
        Buffer.from(await (await fetch(`http://${registry.host}/v2/team/nerve/${path}`)).arrayBuffer());
      const { layers } = JSON.parse((await pulled('manifests/1.2.3')).toString()) as { readonly layers: readonly { readonly digest: string }[] };
      expect(await Promise.all(layers.map(({ digest }) => pulled(`blobs/${digest}`)))).toEqual(built.layers.map(({ bytes }) => bytes));
      await push(built, { ...target, tag: 'again' }, { credentialsFile: join(folder, 'none.json') });
      expect(registry.asked.filter((one) => one.startsWith('POST'))).toHaveLength(3);
    } finally {
      await registry.close();
    }
  });

  it('is pushed with the credentials of docker login, which the registry turns into a token', async () => {
    const registry = await startRegistry({ token: 'a-token' });
    try {
      const target = parseTarget(`${registry.host}/team/nerve:1`, '1.2.3');
      const credentialsFile = join(folder, 'config.json');
      await expect(push(built, target, { credentialsFile })).rejects.toThrow(`was answered with 401. Log in first: docker login ${registry.host}.`);
      writeFileSync(credentialsFile, JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from('user:password').toString('base64') } } }));
      await push(built, target, { credentialsFile });
      expect(registry.manifests.has('team/nerve:1')).toBe(true);
    } finally {
      await registry.close();
    }
  });

  it('is started by the Dockerfile in the same way', () => {
    const dockerfile = readFileSync('Dockerfile', 'utf8');
    const { config } = JSON.parse(built.config.bytes.toString()) as {
      readonly config: { User: string; Env: string[]; Entrypoint: string[]; WorkingDir: string };
    };
    const said = (word: string): string | undefined =>
      new RegExp(`^${word} (.*)$`, 'm').exec(dockerfile.slice(dockerfile.indexOf('FROM scratch')))?.[1];
    expect(said('USER')).toBe(config.User);
    expect(said('ENV')).toBe(config.Env.join(' '));
    expect(said('WORKDIR')).toBe(config.WorkingDir);
    expect(JSON.parse(said('ENTRYPOINT') ?? '[]')).toEqual(config.Entrypoint);
  });

  it.each(['nerve', 'team/nerve', 'registry.example.com/UPPER', 'registry.example.com/x:'])(
    'is not pushed to "%s", which names no registry',
    (name) => {
      expect(() => parseTarget(name, '1')).toThrow('is no HOST/NAME[:TAG]');
    },
  );
});
