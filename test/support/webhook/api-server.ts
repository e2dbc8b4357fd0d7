// The few answers of an API server that the fail-safe's adapters ask for, over TLS on loopback: lists in pages, a watch, JSON and merge
// patches on pods. It refuses what the real one refuses: a wrong token, a patch whose test fails, an old page.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificate } from '../../../src/webhook/certificate.ts';

type Json = Record<string, unknown>;
export interface StoredPod extends Json {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  } & Json;
  readonly spec: Json;
}

export interface FakeApiServer {
  readonly url: URL;
  readonly pods: Map<string, StoredPod>;
  readonly requests: string[];
  /** Sends to every watch. */
  event(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR', object: unknown): void;
  /** How many watches are open. */
  watches(): number;
  /** Breaks every open watch. */
  breakWatches(): void;
  /** The next list's second page is refused as too old. */
  expireNextPage(): void;
  close(): Promise<void>;
}

export async function fakeApiServer(token: string, tls: Certificate): Promise<FakeApiServer> {
  const pods = new Map<string, StoredPod>();
  const requests: string[] = [];
  const watching = new Set<ServerResponse>();
  let expire = false;

  const server = createServer(tls, (request, response) => void answer(request, response));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://x');
    requests.push(`${request.method} ${url.pathname}${url.search}`);
    if (request.headers.authorization !== `Bearer ${token}`) return send(response, 401, { message: 'Unauthorized' });
    if (request.method === 'PATCH') return patch(url.pathname, String(request.headers['content-type']), await body(request), response);
    if (url.searchParams.get('watch') === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      watching.add(response);
      response.on('close', () => watching.delete(response));
      return;
    }
    list(url, response);
  }

  function list(url: URL, response: ServerResponse): void {
    const [, namespace] = /\/namespaces\/([^/]+)\/pods$/.exec(url.pathname) ?? [];
    const labels = (url.searchParams.get('labelSelector') ?? '').split(',').filter(Boolean);
    const all = [...pods.values()].filter(
      ({ metadata }) =>
        (namespace === undefined || metadata.namespace === namespace) &&
        labels.every((label) => {
          const [key = '', value] = label.split('=');
          return value === undefined ? metadata.labels?.[key] !== undefined : metadata.labels?.[key] === value;
        }),
    );
    const limit = Number(url.searchParams.get('limit') ?? all.length);
    const from = Number(url.searchParams.get('continue') ?? '0');
    if (from > 0 && expire) {
      expire = false;
      return send(response, 410, { message: 'The provided continue parameter is too old' });
    }
    const next = from + limit < all.length ? String(from + limit) : undefined;
    send(response, 200, {
      metadata: { resourceVersion: '100', ...(next === undefined ? {} : { continue: next }) },
      items: all.slice(from, from + limit),
    });
  }

  function patch(path: string, type: string, asked: unknown, response: ServerResponse): void {
    const [, namespace, name] = /\/namespaces\/([^/]+)\/pods\/([^/]+)$/.exec(path) ?? [];
    const pod = pods.get(`${namespace}/${name}`);
    if (pod === undefined) return send(response, 404, { message: 'not found' });
    if (type === 'application/merge-patch+json') {
      const { annotations } = (asked as { metadata: { annotations: Record<string, string> } }).metadata;
      pod.metadata.annotations = { ...pod.metadata.annotations, ...annotations };
      return send(response, 200, pod);
    }
    const [test, remove] = asked as [{ path: string; value: string }, { path: string }];
    const index = Number(remove.path.split('/').at(-1));
    const gates = pod.spec['schedulingGates'] as { name: string }[] | undefined;
    if (test.path !== `${remove.path}/name` || gates?.[index]?.name !== test.value) return send(response, 422, { message: 'the test failed' });
    gates.splice(index, 1);
    send(response, 200, pod);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`),
    pods,
    requests,
    event: (type, object) => {
      for (const response of watching) {
        response.write(`${JSON.stringify({ type, object })}\n`);
        if (type === 'ERROR') response.end();
      }
    },
    watches: () => watching.size,
    breakWatches: () => {
      for (const response of watching) response.destroy();
    },
    expireNextPage: () => {
      expire = true;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function send(response: ServerResponse, status: number, content: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(content));
}

async function body(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request as AsyncIterable<Buffer>) text += chunk.toString();
  return JSON.parse(text);
}
