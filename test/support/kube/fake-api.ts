// A small stand-in for an API server, for what a real one cannot be made to say on demand (quota, timeouts, a webhook's warnings). Pods and Jobs
// of any namespace in memory, watches, merge patches. What it does not know is 404.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectMeta, Pod } from '../../../src/engine/pod/types.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown> | null;
}

type Held = Pod & { metadata: ObjectMeta };

export interface FakeApi {
  readonly kubeconfig: string;
  readonly url: string;
  readonly seen: Seen[];
  readonly pods: Map<string, Held>;
  readonly jobs: Map<string, Record<string, unknown>>;
  /** Asked first; null: the ordinary answer. */
  answer: (seen: Seen) => Answer | null;
  /** What admission makes of a pod (dry runs too), and what it warns of. */
  admit: (pod: Held) => { readonly pod: Held; readonly warnings?: readonly string[] };
  /** After something was created for real. */
  created: (kind: string, object: Held) => void;
  /** Changes a pod and tells the watches; null takes it away. */
  set(name: string, change: (pod: Held) => Held | null): void;
  put(pod: Held): void;
  close(): Promise<void>;
}

export const status = (code: number, message: string, reason = ''): Answer => ({
  status: code,
  body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code },
});

export async function fakeApi(): Promise<FakeApi> {
  const folder = mkdtempSync(join(tmpdir(), 'nerve-api-'));
  const watches = new Set<{ readonly selector: string; readonly response: ServerResponse }>();
  let version = 1;
  const tell = (type: string, pod: Held): void => {
    for (const { selector, response } of watches) if (matches(pod, selector)) response.write(`${JSON.stringify({ type, object: pod })}\n`);
  };
  const stamp = (pod: Held): Held => ({ ...pod, metadata: { ...pod.metadata, resourceVersion: String(++version) } });
  const api: FakeApi = {
    kubeconfig: join(folder, 'config'),
    url: '',
    seen: [],
    pods: new Map(),
    jobs: new Map(),
    answer: () => null,
    admit: (pod) => ({ pod }),
    created: () => undefined,
    set: (name, change) => {
      const before = api.pods.get(name);
      if (before === undefined) throw new Error(`there is no pod ${name}`);
      const after = change(before);
      if (after === null) {
        api.pods.delete(name);
        tell('DELETED', before);
      } else {
        const stamped = stamp(after);
        api.pods.set(name, stamped);
        tell('MODIFIED', stamped);
      }
    },
    put: (pod) => {
      const stamped = stamp({ ...pod, metadata: { creationTimestamp: new Date().toISOString(), uid: `uid-${version}`, ...pod.metadata } });
      api.pods.set(pod.metadata.name ?? '', stamped);
      tell('ADDED', stamped);
    },
    close: async () => {
      for (const { response } of watches) response.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const server = createServer((request, response) => void serve(request, response));
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://x');
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const seen: Seen = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      body: text === '' ? null : (JSON.parse(text) as Record<string, unknown>),
    };
    api.seen.push(seen);
    if (seen.query.get('watch') === 'true' && api.answer(seen) === null) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      const watch = { selector: seen.query.get('labelSelector') ?? '', response };
      // What came between the list and this watch.
      const since = Number(seen.query.get('resourceVersion'));
      for (const pod of api.pods.values())
        if (Number(pod.metadata.resourceVersion) > since && matches(pod, watch.selector))
          response.write(`${JSON.stringify({ type: 'MODIFIED', object: pod })}\n`);
      watches.add(watch);
      response.on('close', () => watches.delete(watch));
      setTimeout(() => response.end(), Number(seen.query.get('timeoutSeconds') ?? 60) * 1000).unref();
      return;
    }
    const { status: code, body, headers } = api.answer(seen) ?? ordinary(seen);
    response.writeHead(code, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  function ordinary({ method, path, query, body }: Seen): Answer {
    const [, pod, log] = /^\/api\/v1\/namespaces\/[^/]+\/pods(?:\/([^/]+))?(\/log)?$/.exec(path) ?? [];
    if (path.endsWith('/jobs') && method === 'POST') return createJob(body ?? {}, query.has('dryRun'));
    if (path.endsWith('/pods') && method === 'POST') return createPod(body as unknown as Held, query.has('dryRun'));
    if (path.endsWith('/pods')) {
      const items = [...api.pods.values()].filter((held) => matches(held, query.get('labelSelector') ?? ''));
      return { status: 200, body: { metadata: { resourceVersion: String(version) }, items } };
    }
    const held = pod === undefined ? undefined : api.pods.get(pod);
    if (held === undefined) return status(404, `pods "${pod ?? path}" not found`, 'NotFound');
    if (log !== undefined) return { status: 200, body: `hello from ${held.metadata.name}\n` };
    if (method === 'PATCH') api.set(pod ?? '', (before) => patched(before, body ?? {}));
    return { status: 200, body: api.pods.get(pod ?? '') };
  }

  function createPod(asked: Held, dryRun: boolean): Answer {
    const name = asked.metadata.name ?? `${asked.metadata.generateName ?? ''}${version.toString(36).padStart(5, 'x')}`;
    const { pod, warnings = [] } = api.admit({
      ...asked,
      metadata: { ...asked.metadata, name, uid: `uid-${name}`, creationTimestamp: new Date().toISOString() },
    });
    if (!dryRun) {
      if (api.pods.has(name)) return status(409, `pods "${name}" already exists`, 'AlreadyExists');
      api.put(pod);
      api.created('Pod', pod);
    }
    return {
      status: 201,
      body: { ...pod, apiVersion: 'v1', kind: 'Pod' },
      headers: warnings.length === 0 ? {} : { warning: warnings.map((w) => `299 - ${JSON.stringify(w)}`).join(', ') },
    };
  }

  function createJob(asked: Record<string, unknown>, dryRun: boolean): Answer {
    const metadata = asked['metadata'] as ObjectMeta;
    const name = metadata.name ?? `${metadata.generateName ?? ''}${(++version).toString(36)}`;
    const job = { ...asked, metadata: { ...metadata, name } };
    if (!dryRun) {
      api.jobs.set(name, job);
      api.created('Job', job as unknown as Held);
    }
    return { status: 201, body: job };
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(api.kubeconfig, kubeconfig(url));
  return Object.assign(api, { url });
}

function kubeconfig(url: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'fake',
    clusters: [{ name: 'fake', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'ann', user: { token: 'secret-token' } }],
    contexts: [
      { name: 'fake', context: { cluster: 'fake', user: 'ann', namespace: 'team-a' } },
      { name: 'other', context: { cluster: 'fake', user: 'ann' } },
    ],
  });
}

function matches({ metadata: { labels = {} } }: Held, selector: string): boolean {
  return selector
    .split(',')
    .filter((term) => term !== '')
    .every((term) => {
      const [key = '', value] = term.split('=');
      return value === undefined ? labels[key] !== undefined : labels[key] === value;
    });
}

function patched(pod: Held, patch: Record<string, unknown>): Held {
  const { metadata, spec } = patch as {
    metadata?: ObjectMeta;
    spec?: { schedulingGates?: readonly { readonly $patch: string; readonly name: string }[] };
  };
  const gone = (spec?.schedulingGates ?? []).map(({ name }) => name);
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...metadata?.annotations } },
    spec: { ...pod.spec, schedulingGates: (pod.spec.schedulingGates ?? []).filter(({ name }) => !gone.includes(name)) },
  };
}
