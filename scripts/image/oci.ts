// An OCI image of layers, as blobs (for a push) and as one archive (for `ctr images import`, `kind load image-archive` and
// `docker load`: the OCI layout, and Docker's manifest.json beside it). The same contents give the same digests.

import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { USER } from './contents.ts';
import { type Entry, tar } from './tar.ts';

export interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface Image {
  readonly layers: readonly Blob[];
  readonly config: Blob;
  readonly manifest: Blob;
}

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
/** OCI says amd64 where Node says x64. */
const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

export function image(layers: readonly (readonly Entry[])[], version: string): Image {
  const plain = layers.map(tar);
  const packed = plain.map((bytes) => blob(gzipSync(bytes, { level: 6 })));
  const config = blob(
    json({
      architecture: ARCHITECTURE,
      os: 'linux',
      config: {
        User: USER,
        Env: ['PATH=/usr/local/bin', 'HOME=/tmp'],
        Entrypoint: ['/usr/local/bin/node', '/opt/nerve/dist/cli.js'],
        WorkingDir: '/tmp',
        Labels: {
          'org.opencontainers.image.title': 'nerve',
          'org.opencontainers.image.version': version,
          'org.opencontainers.image.licenses': 'Apache-2.0',
        },
      },
      rootfs: { type: 'layers', diff_ids: plain.map((bytes) => blob(bytes).digest) },
    }),
  );
  const manifest = blob(
    json({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { mediaType: CONFIG_TYPE, digest: config.digest, size: config.bytes.length },
      layers: packed.map(({ digest, bytes }) => ({ mediaType: LAYER_TYPE, digest, size: bytes.length })),
    }),
  );
  return { layers: packed, config, manifest };
}

/** `name` is HOST/REPOSITORY:TAG, as the kubelet will ask for it. */
export function archive({ layers, config, manifest }: Image, name: string): Buffer {
  const path = ({ digest }: Blob): string => `blobs/${digest.replace(':', '/')}`;
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1) };
  const platform = { architecture: ARCHITECTURE, os: 'linux' };
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType: MANIFEST_TYPE, digest: manifest.digest, size: manifest.bytes.length, platform, annotations }],
  };
  const file = (at: string, bytes: Buffer): Entry => ({ kind: 'file', path: at, bytes });
  return tar([
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    file('index.json', json(index)),
    file('manifest.json', json([{ Config: path(config), RepoTags: [name], Layers: layers.map(path) }])),
    ...[...layers, config, manifest].map((one) => file(path(one), one.bytes)),
  ]);
}

const blob = (bytes: Buffer): Blob => ({ digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes });
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
