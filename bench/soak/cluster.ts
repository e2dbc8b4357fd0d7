// The cluster of the soak: an API server's answers over TLS, with pods and nodes in memory, selectors, pages, watches and patches; a kubelet that lets
// pods run and end. In the bench's own process, so that its weight is nobody's who is measured.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Pod } from '../../src/engine/pod/types.ts';
import type { Certificate } from '../../src/webhook/certificate.ts';

type Kind = 'pods' | 'nodes';
type Json = Record<string, unknown>;
interface Kept {
  metadata: Pod['metadata'];
  spec: Json;
  status: Json;
}

export interface SoakCluster {
  readonly url: URL;
  put(kind: Kind, object: object): void;
  remove(kind: Kind, key: string): void;
  get(kind: Kind, key: string): Kept | undefined;
  /** Told each pod whose gate was lifted, or that was created without one. */
  released: (pod: Kept) => void;
  count(kind: Kind): number;
  close(): Promise<void>;
}

const keyOf = ({ namespace, name }: Pod['metadata']): string => (namespace === undefined ? (name ?? '') : `${namespace}/${name ?? ''}`);
const gated = ({ spec }: Kept): boolean => ((spec['schedulingGates'] ?? []) as readonly unknown[]).length > 0;

export async function soakCluster(certificate: Certificate): Promise<SoakCluster> {
  const objects: Readonly<Record<Kind, Map<string, Kept>>> = { pods: new Map(), nodes: new Map() };
  const watches = new Set<{ readonly kind: Kind; readonly wanted: (object: Kept) => boolean; readonly response: ServerResponse }>();
  let version = 1;
  const tell = (kind: Kind, type: string, object: Kept): void => {
    const line = `${JSON.stringify({ type, object })}\n`;
    for (const watch of watches) if (watch.kind === kind && watch.wanted(object)) watch.response.write(line);
  };
  const store = (kind: Kind, object: Kept): Kept => {
    const key = keyOf(object.metadata);
    const before = objects[kind].get(key);
    version += 1;
    const stamped = { ...object, metadata: { uid: `${kind}-${key}-${version}`, ...object.metadata, resourceVersion: String(version) } };
    objects[kind].set(key, stamped);
    tell(kind, before === undefined ? 'ADDED' : 'MODIFIED', stamped);
    if (kind === 'pods' && !gated(stamped) && (before === undefined || gated(before))) cluster.released(stamped);
    return stamped;
  };
  const remove = (kind: Kind, key: string): void => {
    const last = objects[kind].get(key);
    objects[kind].delete(key);
    if (last !== undefined) tell(kind, 'DELETED', last);
  };

  const server = createServer(certificate, (request, response) => void answer(request, response));
  const cluster: SoakCluster = {
    url: new URL('https://127.0.0.1'),
    put: (kind, object) => void store(kind, object as Kept),
    remove,
    get: (kind, key) => objects[kind].get(key),
    released: () => undefined,
    count: (kind) => objects[kind].size,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
    const [, namespace, kind, name, sub] = /^\/api\/v1\/(?:namespaces\/([^/]+)\/)?(pods|nodes)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(pathname) ?? [];
    if (kind !== 'pods' && kind !== 'nodes') return send(response, 404, { message: pathname });
    const wanted = filter(searchParams, namespace);
    if (request.method === 'GET' && name === undefined)
      return searchParams.get('watch') === 'true' ? watch(kind, wanted, response) : list(kind, wanted, searchParams, response);
    const key = namespace === undefined ? (name ?? '') : `${namespace}/${name ?? ''}`;
    const found = objects[kind].get(key);
    const text = request.method === 'GET' ? '' : await whole(request);
    if (request.method === 'POST' && sub === undefined) return send(response, 201, store(kind, JSON.parse(text) as Kept));
    if (found === undefined) return send(response, 404, { message: 'not found' });
    if (request.method === 'DELETE' || sub === 'eviction') remove(kind, key);
    if (request.method !== 'PATCH') return send(response, 200, found);
    const type = String(request.headers['content-type']);
    send(response, 200, store(kind, (type.includes('merge') ? merged(found, JSON.parse(text)) : patched(found, JSON.parse(text))) as Kept));
  }

  function watch(kind: Kind, wanted: (object: Kept) => boolean, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const one = { kind, wanted, response };
    watches.add(one);
    response.on('close', () => watches.delete(one));
  }

  function list(kind: Kind, wanted: (object: Kept) => boolean, query: URLSearchParams, response: ServerResponse): void {
    const all = [...objects[kind].values()].filter(wanted);
    const limit = Number(query.get('limit') ?? all.length);
    const from = Number(query.get('continue') ?? 0);
    const more = from + limit < all.length ? { continue: String(from + limit) } : {};
    send(response, 200, { metadata: { resourceVersion: String(version), ...more }, items: all.slice(from, from + limit) });
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(cluster, { url: new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`) });
}

function filter(query: URLSearchParams, namespace: string | undefined): (object: Kept) => boolean {
  const labels = (query.get('labelSelector') ?? '').split(',').filter((term) => term !== '');
  const [, node] = /spec\.nodeName=([^,]+)/.exec(query.get('fieldSelector') ?? '') ?? [];
  return ({ metadata, spec }) =>
    (namespace === undefined || metadata.namespace === namespace) &&
    (node === undefined || spec['nodeName'] === node) &&
    labels.every((term) => {
      const [key = '', value] = term.split('=');
      const has = metadata.labels?.[key];
      return value === undefined ? has !== undefined : has === value;
    });
}

function merged(into: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Json = { ...(into as Json | undefined) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

/** RFC 6902 as the worker writes it: `test`, `add`, `replace` and `remove`. */
function patched(object: Kept, patch: readonly { readonly op: string; readonly path: string; readonly value?: unknown }[]): Kept {
  const copy = structuredClone(object) as unknown as Json;
  for (const { op, path, value } of patch) {
    if (op === 'test') continue;
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop() ?? '';
    const parent = keys.reduce<Json>((at, key) => at[key] as Json, copy);
    if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : Number(last), op === 'add' ? 0 : 1, ...(op === 'remove' ? [] : [value]));
    else if (op === 'remove') delete parent[last];
    else parent[last] = value;
  }
  return copy as unknown as Kept;
}

function send(response: ServerResponse, status: number, content: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(content));
}

async function whole(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request as AsyncIterable<Buffer>) text += chunk.toString();
  return text;
}
