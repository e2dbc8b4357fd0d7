// A registry as far as pushing and pulling one image goes, by the OCI distribution specification 1.1: uploads have a location of their
// own, blobs must have the digest they claim, a manifest is refused while a blob that it names is missing. With `token` it wants a
// Bearer token, and hands it out for user:password.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MANIFEST_TYPE } from '../../scripts/image/oci.ts';

export interface Registry {
  readonly host: string;
  readonly blobs: ReadonlyMap<string, Buffer>;
  /** By "repository:tag". */
  readonly manifests: ReadonlyMap<string, Buffer>;
  /** "METHOD path" of every request that was let in. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export async function startRegistry({ token = null }: { readonly token?: string | null } = {}): Promise<Registry> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, Buffer>();
  const uploads = new Set<string>();
  const asked: string[] = [];
  let host = '';

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', `http://${host}`);
    const body = await bytesOf(request);
    const end = (status: number, headers: Record<string, string> = {}, text = ''): void => void response.writeHead(status, headers).end(text);
    if (url.pathname === '/token') {
      const expected = `Basic ${Buffer.from('user:password').toString('base64')}`;
      const mine = request.headers.authorization === expected && url.searchParams.get('scope') === 'repository:team/nerve:pull,push';
      return mine ? end(200, {}, JSON.stringify({ token })) : end(401);
    }
    if (token !== null && request.headers.authorization !== `Bearer ${token}`) {
      return end(401, { 'www-authenticate': `Bearer realm="http://${host}/token",service="test",scope="repository:team/nerve:pull,push"` });
    }
    asked.push(`${request.method} ${url.pathname}`);
    const [, repository, kind, reference = ''] = /^\/v2\/(.+)\/(blobs\/uploads|blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
    if (repository === undefined) return end(404);
    if (kind === 'blobs' && request.method === 'HEAD') return end(blobs.has(reference) ? 200 : 404);
    if (request.method === 'GET' || request.method === 'HEAD') {
      const manifest = manifests.get(`${repository}:${reference}`) ?? [...manifests.values()].find((bytes) => digestOf(bytes) === reference);
      const found = kind === 'blobs' ? blobs.get(reference) : manifest;
      if (found === undefined) return end(404);
      const type = kind === 'blobs' ? 'application/octet-stream' : MANIFEST_TYPE;
      response.writeHead(200, { 'content-type': type, 'content-length': found.length, 'docker-content-digest': digestOf(found) });
      return void response.end(request.method === 'GET' ? found : undefined);
    }
    if (kind === 'blobs/uploads' && request.method === 'POST') {
      const id = `u${uploads.size}`;
      uploads.add(id);
      return end(202, { location: `/v2/${repository}/blobs/uploads/${id}?state=opaque` });
    }
    if (kind === 'blobs/uploads' && request.method === 'PUT') {
      if (!uploads.has(reference) || url.searchParams.get('state') !== 'opaque') return end(404);
      if (digestOf(body) !== url.searchParams.get('digest')) return end(400, {}, 'DIGEST_INVALID');
      blobs.set(digestOf(body), body);
      return end(201);
    }
    if (kind === 'manifests' && request.method === 'PUT') {
      const { config, layers } = JSON.parse(body.toString()) as { config: { digest: string }; layers: readonly { digest: string }[] };
      if ([config, ...layers].some(({ digest }) => !blobs.has(digest))) return end(400, {}, 'MANIFEST_BLOB_UNKNOWN');
      manifests.set(`${repository}:${reference}`, body);
      return end(201);
    }
    end(405);
  };

  const server: Server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, blobs, manifests, asked, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
