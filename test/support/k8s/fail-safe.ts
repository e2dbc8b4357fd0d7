// Webhook, watchdog and uninstall hooks beside a control plane, each with the token and the rights that the chart gives it. The webhook is
// dialled by URL and not by Service, because there is no cluster network.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { Pod } from '../../../src/engine/pod/types.ts';
import type { Certificate } from '../../../src/webhook/certificate.ts';
import { selfSigned, writeCertificate } from '../webhook/certificate.ts';
import { type ControlPlane, createNodes, startControlPlane } from './control-plane.ts';
import { freePorts } from './daemon.ts';

const NERVE = 'nerve';
const WORKER_LABELS = { 'app.kubernetes.io/name': 'nerve-agent', 'app.kubernetes.io/component': 'worker' };
const REGISTRATION = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';

/** As the chart binds them. */
const RIGHTS = {
  webhook: ['get', 'list', 'watch'],
  watchdog: ['list', 'patch'],
} as const;
type Account = keyof typeof RIGHTS;

export interface FailSafe {
  readonly plane: ControlPlane;
  readonly certificate: Certificate;
  readonly webhook: {
    /** Answers when it serves. */
    start(): Promise<void>;
    signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void;
    /** Answers when it is gone. */
    kill(): Promise<void>;
    unregister(): Promise<unknown>;
  };
  /** Runs the watchdog to its end. */
  watchdog(...args: readonly string[]): Promise<{ readonly code: number | null; readonly stdout: string }>;
  /** What a living worker does. */
  beats(): Promise<void>;
  create(pod: object, query?: string): Promise<Pod>;
  listed(selector?: string): Promise<readonly Pod[]>;
  /** The webhook looks at the beat every 5 s. */
  untilHeld(held: boolean): Promise<void>;
  stop(): Promise<void>;
}

export const isHeld = (pod: Pod): boolean => pod.spec.schedulingGates?.some(({ name }) => name === 'nerve.io/hold') ?? false;

let made = 0;
export function simplePod(
  labels: Readonly<Record<string, string>> = { 'nerve.io/tier': 'async' },
  more: Readonly<Record<string, string>> = {},
): { readonly metadata: object; readonly spec: object } {
  made += 1;
  const asked = { 'nerve.io/deadline': '2099-01-01T00:00:00Z', 'nerve.io/expected-duration': '1h', 'nerve.io/checkpoint-uri': 's3://b/p' };
  const annotations = { ...asked, ...more };
  return {
    metadata: { name: `p-${made}`, labels, annotations },
    spec: { restartPolicy: 'Never', containers: [{ name: 'train', image: 'train' }] },
  };
}

export async function startFailSafe(): Promise<FailSafe> {
  const plane = await startControlPlane();
  try {
    return await beside(plane);
  } catch (error) {
    await plane.stop();
    throw error;
  }
}

async function beside(plane: ControlPlane): Promise<FailSafe> {
  const { admin, folder } = plane;
  const certificate = selfSigned();
  const started: ChildProcess[] = [];
  await createNodes(admin, 1);
  await admin.call('POST', '/api/v1/namespaces', { metadata: { name: NERVE } });
  for (const name of Object.keys(RIGHTS)) await account(plane, name as Account);
  await admin.call('POST', `/api/v1/namespaces/${NERVE}/pods`, {
    metadata: { name: 'worker', labels: WORKER_LABELS },
    spec: { containers: [{ name: 'worker', image: 'worker' }] },
  });
  writeCertificate(join(folder, 'tls'), certificate);
  const [port = 0] = await freePorts(1);
  await register(plane, port, certificate);

  const nerve = (args: readonly string[], name: Account): ChildProcess => {
    const env = environmentOf(plane, name, port);
    const child = spawn(process.execPath, ['src/cli.ts', ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    started.push(child);
    return child;
  };
  const startWebhook = async (): Promise<ChildProcess> => {
    const child = nerve(['webhook'], 'webhook');
    await vi.waitFor(() => serves(port, certificate.cert), { timeout: 60_000, interval: 200 });
    return child;
  };
  const create: FailSafe['create'] = (pod, query = '') => admin.call<Pod>('POST', `/api/v1/namespaces/default/pods${query}`, pod);

  let webhook = await startWebhook();
  let beat = 0;
  return {
    plane,
    certificate,
    create,
    webhook: {
      start: async () => {
        webhook = await startWebhook();
      },
      signal: (signal) => void webhook.kill(signal),
      kill: async () => {
        const gone = once(webhook, 'close');
        webhook.kill('SIGKILL');
        await gone;
      },
      unregister: () => admin.call('DELETE', `${REGISTRATION}/nerve-agent`),
    },
    watchdog: (...args) => ended(nerve(['watchdog', ...args], 'watchdog')),
    beats: async () => {
      beat += 1;
      const annotations = { 'nerve.io/beat': String(beat), 'nerve.io/draining': null };
      await admin.call('PATCH', `/api/v1/namespaces/${NERVE}/pods/worker`, { metadata: { annotations } }, 'application/merge-patch+json');
    },
    listed: async (selector = '') =>
      (await admin.call<{ items: readonly Pod[] }>('GET', `/api/v1/namespaces/default/pods?labelSelector=${encodeURIComponent(selector)}`)).items,
    untilHeld: (held) =>
      vi.waitFor(async () => expect(isHeld(await create(simplePod(), '?dryRun=All'))).toBe(held), { timeout: 30_000, interval: 500 }),
    stop: async () => {
      for (const child of started) child.kill('SIGKILL');
      await plane.stop();
    },
  };
}

async function account({ admin, folder }: ControlPlane, name: Account): Promise<void> {
  const full = `nerve-agent-${name}`;
  await admin.call('POST', `/api/v1/namespaces/${NERVE}/serviceaccounts`, { metadata: { name: full } });
  await admin.call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', {
    metadata: { name: full },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: RIGHTS[name] }],
  });
  await admin.call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: full },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: full },
    subjects: [{ kind: 'ServiceAccount', name: full, namespace: NERVE }],
  });
  const { status } = await admin.call<{ status: { token: string } }>('POST', `/api/v1/namespaces/${NERVE}/serviceaccounts/${full}/token`, {
    spec: {},
  });
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'token'), status.token);
  writeFileSync(join(folder, name, 'ca.crt'), admin.ca);
}

/** As the chart registers it. */
async function register({ admin }: ControlPlane, port: number, { cert }: Certificate): Promise<void> {
  const rule = (name: string, group: string, more: object): object => ({
    name: `${name}.nerve.io`,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    failurePolicy: 'Ignore',
    timeoutSeconds: 2,
    reinvocationPolicy: 'IfNeeded',
    rules: [{ apiGroups: [group], apiVersions: ['v1'], resources: [name], operations: ['CREATE'], scope: 'Namespaced' }],
    namespaceSelector: { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', NERVE] }] },
    clientConfig: { url: `https://127.0.0.1:${port}/mutate/${name}`, caBundle: Buffer.from(cert).toString('base64') },
    ...more,
  });
  const expression =
    "has(object.spec.template.metadata) && has(object.spec.template.metadata.labels) && 'nerve.io/tier' in object.spec.template.metadata.labels && object.spec.template.metadata.labels['nerve.io/tier'] == 'async'";
  await admin.call('POST', REGISTRATION, {
    metadata: { name: 'nerve-agent' },
    webhooks: [
      rule('pods', '', { objectSelector: { matchLabels: { 'nerve.io/tier': 'async' } } }),
      rule('jobs', 'batch', { matchConditions: [{ name: 'async-template', expression }] }),
    ],
  });
}

function environmentOf({ admin: { server }, folder }: ControlPlane, name: Account, port: number): Record<string, string | undefined> {
  return {
    PATH: process.env['PATH'],
    HOME: folder,
    KUBERNETES_SERVICE_HOST: server.hostname,
    KUBERNETES_SERVICE_PORT: server.port,
    NERVE_ACCOUNT_FOLDER: join(folder, name),
    NERVE_POD_NAMESPACE: NERVE,
    NERVE_WORKER_SELECTOR: Object.entries(WORKER_LABELS)
      .map((label) => label.join('='))
      .join(','),
    NERVE_WORKER_ACCOUNT: 'nerve-agent-worker',
    NERVE_JOB_NAMESPACES: 'default',
    NERVE_WEBHOOK_HOST: '127.0.0.1',
    NERVE_WEBHOOK_PORT: String(port),
    NERVE_TLS_DIR: join(folder, 'tls'),
  };
}

const serves = (port: number, ca: string): Promise<void> =>
  new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/healthz', ca, agent: false }, (response) => {
      response.resume();
      resolve();
    })
      .on('error', reject)
      .end();
  });

async function ended(child: ChildProcess): Promise<{ readonly code: number | null; readonly stdout: string }> {
  let stdout = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  await once(child, 'close');
  return { code: child.exitCode, stdout };
}
