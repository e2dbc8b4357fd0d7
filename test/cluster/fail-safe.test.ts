// Webhook, watchdog and uninstall hooks against a real API server, scheduler and Job controller, each with the token and the rights that
// the chart gives it. The webhook is dialled by URL and not by Service, because there is no cluster network.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Pod } from '../../src/engine/pod/types.ts';
import { type ControlPlane, createNodes, startControlPlane, whyNoCluster } from '../support/k8s/control-plane.ts';
import { freePorts } from '../support/k8s/daemon.ts';
import { selfSigned, writeCertificate } from '../support/webhook/certificate.ts';
import { podOfKind, podKinds, type PodKind } from '../support/webhook/reviews.ts';

const NERVE = 'nerve';
const WORKER_LABELS = { 'app.kubernetes.io/name': 'nerve-agent', 'app.kubernetes.io/component': 'worker' };
const skipped = await whyNoCluster();
vi.setConfig({ testTimeout: 60_000, hookTimeout: 300_000 });

/** As the chart binds them. */
const RIGHTS = {
  webhook: ['get', 'list', 'watch'],
  watchdog: ['list', 'patch'],
} as const;

let plane: ControlPlane;
let webhookPort: number;
let webhook: ChildProcess | null = null;
let beat = 0;
const started: ChildProcess[] = [];
const certificate = selfSigned();

beforeAll(async () => {
  if (skipped !== null) return;
  plane = await startControlPlane();
  const { admin, folder } = plane;
  await createNodes(admin, 1);
  await admin.call('POST', '/api/v1/namespaces', { metadata: { name: NERVE } });
  for (const [name, verbs] of Object.entries(RIGHTS)) await account(name, verbs);
  await admin.call('POST', `/api/v1/namespaces/${NERVE}/pods`, {
    metadata: { name: 'worker', labels: WORKER_LABELS },
    spec: { containers: [{ name: 'worker', image: 'worker' }] },
  });
  writeCertificate(join(folder, 'tls'), certificate);
  [webhookPort = 0] = await freePorts(1);
  await register();
  await startWebhook();
});

afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  if (skipped === null) await plane.stop();
});

async function account(name: string, verbs: readonly string[]): Promise<void> {
  const { admin, folder } = plane;
  const full = `nerve-agent-${name}`;
  await admin.call('POST', `/api/v1/namespaces/${NERVE}/serviceaccounts`, { metadata: { name: full } });
  const group = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: full };
  await admin.call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', {
    metadata: { name: full },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs }],
  });
  await admin.call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: full },
    roleRef: group,
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
async function register(): Promise<void> {
  const rule = (name: string, group: string, more: object): object => ({
    name: `${name}.nerve.io`,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    failurePolicy: 'Ignore',
    timeoutSeconds: 2,
    reinvocationPolicy: 'IfNeeded',
    rules: [{ apiGroups: [group], apiVersions: ['v1'], resources: [name], operations: ['CREATE'], scope: 'Namespaced' }],
    namespaceSelector: { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', NERVE] }] },
    clientConfig: { url: `https://127.0.0.1:${webhookPort}/mutate/${name}`, caBundle: Buffer.from(certificate.cert).toString('base64') },
    ...more,
  });
  const expression =
    "has(object.spec.template.metadata) && has(object.spec.template.metadata.labels) && 'nerve.io/tier' in object.spec.template.metadata.labels && object.spec.template.metadata.labels['nerve.io/tier'] == 'async'";
  await plane.admin.call('POST', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
    metadata: { name: 'nerve-agent' },
    webhooks: [
      rule('pods', '', { objectSelector: { matchLabels: { 'nerve.io/tier': 'async' } } }),
      rule('jobs', 'batch', { matchConditions: [{ name: 'async-template', expression }] }),
    ],
  });
}

function nerve(args: readonly string[], name: keyof typeof RIGHTS): ChildProcess {
  const { server } = plane.admin;
  const env = {
    PATH: process.env['PATH'],
    HOME: plane.folder,
    KUBERNETES_SERVICE_HOST: server.hostname,
    KUBERNETES_SERVICE_PORT: server.port,
    NERVE_ACCOUNT_FOLDER: join(plane.folder, name),
    NERVE_POD_NAMESPACE: NERVE,
    NERVE_WORKER_SELECTOR: Object.entries(WORKER_LABELS)
      .map((label) => label.join('='))
      .join(','),
    NERVE_WORKER_ACCOUNT: 'nerve-agent-worker',
    NERVE_JOB_NAMESPACES: 'default',
    NERVE_WEBHOOK_HOST: '127.0.0.1',
    NERVE_WEBHOOK_PORT: String(webhookPort),
    NERVE_TLS_DIR: join(plane.folder, 'tls'),
  };
  const child = spawn(process.execPath, ['src/cli.ts', ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  return child;
}

const ended = (child: ChildProcess): Promise<{ readonly code: number | null; readonly stdout: string }> => {
  let stdout = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout })));
};

async function startWebhook(): Promise<void> {
  webhook = nerve(['webhook'], 'webhook');
  await vi.waitFor(
    () =>
      new Promise<void>((resolve, reject) => {
        request({ host: '127.0.0.1', port: webhookPort, path: '/healthz', ca: certificate.cert, agent: false }, (response) => {
          response.resume();
          resolve();
        })
          .on('error', reject)
          .end();
      }),
    { timeout: 60_000, interval: 200 },
  );
}

async function beats(): Promise<void> {
  beat += 1;
  await plane.admin.call(
    'PATCH',
    `/api/v1/namespaces/${NERVE}/pods/worker`,
    { metadata: { annotations: { 'nerve.io/beat': String(beat), 'nerve.io/draining': null } } },
    'application/merge-patch+json',
  );
}

const isHeld = (pod: Pod): boolean => pod.spec.schedulingGates?.some(({ name }) => name === 'nerve.io/hold') ?? false;
const environment = (pod: Pod): Readonly<Record<string, unknown>> =>
  Object.fromEntries((pod.spec.containers[0]?.env ?? []).map(({ name, value }) => [name, value]));

let made = 0;
function simplePod(labels: Readonly<Record<string, string>> = { 'nerve.io/tier': 'async' }, more: Readonly<Record<string, string>> = {}): object {
  made += 1;
  const asked = { 'nerve.io/deadline': '2099-01-01T00:00:00Z', 'nerve.io/expected-duration': '1h', 'nerve.io/checkpoint-uri': 's3://b/p' };
  const annotations = { ...asked, ...more };
  return {
    metadata: { name: `p-${made}`, labels, annotations },
    spec: { restartPolicy: 'Never', containers: [{ name: 'train', image: 'train' }] },
  };
}

const create = (pod: object, query = ''): Promise<Pod> => plane.admin.call<Pod>('POST', `/api/v1/namespaces/default/pods${query}`, pod);
const listed = async (selector = ''): Promise<readonly Pod[]> =>
  (await plane.admin.call<{ items: readonly Pod[] }>('GET', `/api/v1/namespaces/default/pods?labelSelector=${encodeURIComponent(selector)}`)).items;

/** The webhook looks at the beat every 5 s. */
const untilHeld = (held: boolean): Promise<void> =>
  vi.waitFor(async () => expect(isHeld(await create(simplePod(), '?dryRun=All'))).toBe(held), { timeout: 30_000, interval: 500 });

async function timed(run: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await run();
  return performance.now() - from;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Comes after ours in the alphabet, and changes the pod: the API server then calls ours again. */
async function otherWebhook(): Promise<{ calls(): number; close(): Promise<void> }> {
  let calls = 0;
  const server = createServer(certificate, (incoming, response) => {
    calls += 1;
    void change(incoming, response);
  });

  async function change(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of incoming as AsyncIterable<Buffer>) text += chunk.toString();
    const { uid } = (JSON.parse(text) as { request: { uid: string } }).request;
    const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/metadata/annotations/test~1other', value: 'was here' }])).toString('base64');
    const answer = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, allowed: true, patchType: 'JSONPatch', patch } };
    response.end(JSON.stringify(answer));
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await plane.admin.call('POST', path, {
    metadata: { name: 'zz-other' },
    webhooks: [
      {
        name: 'other.test.io',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
        objectSelector: { matchLabels: { 'test/other': 'yes' } },
        clientConfig: { url, caBundle: Buffer.from(certificate.cert).toString('base64') },
      },
    ],
  });
  // A new registration is taken up within a second or so.
  await vi.waitFor(
    async () => {
      await create(simplePod({ 'nerve.io/tier': 'async', 'test/other': 'yes' }), '?dryRun=All');
      expect(calls).toBeGreaterThan(0);
    },
    { timeout: 20_000, interval: 300 },
  );
  return {
    calls: () => calls,
    close: async () => {
      await plane.admin.call('DELETE', `${path}/zz-other`);
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

describe.skipIf(skipped !== null)(`the fail-safe on a real control plane${skipped === null ? '' : ` (skipped: ${skipped})`}`, () => {
  it('holds nothing before the first beat, and holds after it', async () => {
    expect(isHeld(await create(simplePod()))).toBe(false);
    await beats();
    await untilHeld(true);
  });

  it('has every kind of pod admitted, with the patch taken as it is', async () => {
    const outcomes: Record<string, boolean> = {};
    for (const kind of podKinds.filter((k) => k !== 'mirror pod')) {
      const { metadata, spec, ...rest } = podOfKind(kind);
      // Names and owners must be free to exist; the token's volume is added by the server itself.
      const { name: _, namespace: __, ...meta } = metadata;
      const volumes = (spec.volumes ?? []).filter((volume) => !volume.name.startsWith('kube-api-access'));
      const containers = spec.containers.map((container) => ({ ...container, volumeMounts: [] }));
      const initContainers = spec.initContainers?.map((container) => ({ ...container, volumeMounts: [] }));
      const body = {
        ...rest,
        metadata: { ...meta, generateName: 'kind-' },
        spec: { ...spec, volumes, containers, ...(initContainers ? { initContainers } : {}) },
      };
      outcomes[kind] = isHeld(await create(body, '?dryRun=All'));
    }
    const held = (kind: PodKind): boolean | undefined => outcomes[kind];
    expect(held('bare pod')).toBe(true);
    expect(held('pod of an indexed Job')).toBe(true);
    expect(held('pod with sidecars')).toBe(true);
    expect(held('pod with affinity, gate and environment of its own')).toBe(true);
    expect(held('pod of a Deployment')).toBe(false);
    expect(held('pod with a Kueue queue')).toBe(false);
    expect(held('pod that names its node')).toBe(false);
    expect(Object.keys(outcomes)).toHaveLength(podKinds.length - 1);
  });

  it('tells a client in a dry run that it is there, and gives a pod with generateName a whole identity', async () => {
    const pod = await create(
      { ...simplePod(), metadata: { ...(simplePod() as Pod).metadata, name: undefined, generateName: 'run-' } },
      '?dryRun=All',
    );
    expect(pod.metadata.annotations?.['nerve.io/webhook']).toMatch(/^\d/);
    expect(environment(pod)['NERVE_JOB_ID']).toBe(pod.metadata.labels?.['nerve.io/job-id']);
  });

  it('continues the same job when an evicted pod is created again, and says which attempt still saves', async () => {
    await plane.admin.call('POST', '/apis/batch/v1/namespaces/default/jobs', {
      metadata: { name: 'run' },
      // It saves for longer than the Job controller's back-off lasts.
      spec: { backoffLimit: 4, template: simplePod(undefined, { 'nerve.test/exit-after': '40s' }) },
    });
    const [first] = await vi.waitFor(
      async () => {
        const pods = await listed('job-name=run');
        expect(pods).toHaveLength(1);
        return pods;
      },
      { timeout: 20_000 },
    );
    if (first === undefined) throw new Error('no pod');
    expect(isHeld(first)).toBe(true);
    expect(first.metadata.annotations).toMatchObject({ 'nerve.io/backoff-limit': '4', 'nerve.io/ignores-disruption': 'false' });
    const path = `/api/v1/namespaces/default/pods/${first.metadata.name}`;
    await plane.admin.call('PATCH', path, [{ op: 'remove', path: '/spec/schedulingGates' }], 'application/json-patch+json');
    await vi.waitFor(async () => expect((await plane.admin.call<Pod>('GET', path)).status?.phase).toBe('Running'), { timeout: 30_000 });
    const eviction = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: first.metadata.name },
      deleteOptions: { gracePeriodSeconds: 110 },
    };
    await plane.admin.call('POST', `${path}/eviction`, eviction);
    const second = await vi.waitFor(
      async () => {
        const pod = (await listed('job-name=run')).find(({ metadata }) => metadata.uid !== first.metadata.uid);
        if (pod === undefined) throw new Error('not created again yet');
        return pod;
      },
      { timeout: 30_000 },
    );
    expect(second.metadata.labels?.['nerve.io/job-id']).toBe(first.metadata.labels?.['nerve.io/job-id']);
    expect(Number(environment(second)['NERVE_ATTEMPT'])).toBeGreaterThan(Number(environment(first)['NERVE_ATTEMPT']));
    expect(environment(second)['NERVE_PREVIOUS_ATTEMPT']).toBe(environment(first)['NERVE_ATTEMPT']);
    const ends = (await plane.admin.call<Pod>('GET', path)).metadata.deletionTimestamp ?? '';
    expect(Date.parse(String(environment(second)['NERVE_WAIT_SEALED_UNTIL']))).toBe(Date.parse(ends) + 5000);
  });

  it('gives a pod one whole identity when it is called again, because another webhook has changed the pod', async () => {
    const other = await otherWebhook();
    const pod = await create(simplePod({ 'nerve.io/tier': 'async', 'test/other': 'yes' }), '?dryRun=All');
    await other.close();
    expect(other.calls()).toBeGreaterThan(0);
    expect(pod.metadata.annotations).toMatchObject({ 'test/other': 'was here' });
    expect(pod.spec.schedulingGates).toEqual([{ name: 'nerve.io/hold' }]);
    const names = (pod.spec.containers[0]?.env ?? []).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(environment(pod)['NERVE_JOB_ID']).toBe(pod.metadata.labels?.['nerve.io/job-id']);
  });

  it('leaves the pods of a parallel Job without index alone', async () => {
    await plane.admin.call('POST', '/apis/batch/v1/namespaces/default/jobs', {
      metadata: { name: 'queue' },
      spec: { parallelism: 3, template: simplePod() },
    });
    await vi.waitFor(async () => expect((await listed('job-name=queue')).map(isHeld)).toEqual([false, false, false]), { timeout: 20_000 });
  });

  it('costs a labelled pod less than 15 ms at 20 pods a second, and a killed or frozen webhook less than 2.5 s', async () => {
    await beats();
    const [labelled, unlabelled]: [number[], number[]] = [[], []];
    for (let i = 0; i < 200; i++) {
      const next = performance.now() + 50;
      const labels = i % 2 === 0 ? { 'nerve.io/tier': 'async' } : { app: 'x' };
      (i % 2 === 0 ? labelled : unlabelled).push(await timed(() => create(simplePod(labels))));
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
    }
    const difference = median(labelled) - median(unlabelled);
    console.log(
      `median ms: labelled ${median(labelled).toFixed(1)}, unlabelled ${median(unlabelled).toFixed(1)}, difference ${difference.toFixed(1)}`,
    );
    expect(difference).toBeLessThan(15);

    webhook?.kill('SIGSTOP');
    const frozen = await timed(() => create(simplePod()));
    webhook?.kill('SIGCONT');
    webhook?.kill('SIGKILL');
    await new Promise((resolve) => webhook?.once('close', resolve));
    const killed = await Promise.all(Array.from({ length: 20 }, () => timed(() => create(simplePod()))));
    console.log(`frozen ${frozen.toFixed(0)} ms, killed at most ${Math.max(...killed).toFixed(0)} ms`);
    expect(frozen).toBeLessThan(median(unlabelled) + 2500);
    expect(Math.max(...killed)).toBeLessThan(2500);
    await startWebhook();
    await untilHeld(true);
  }, 120_000);

  it('watchdog: leaves gates alone while the beat moves', async () => {
    const moving = setInterval(() => void beats(), 2000);
    const { stdout } = await ended(nerve(['watchdog', '--json'], 'watchdog'));
    clearInterval(moving);
    expect(JSON.parse(stdout)).toMatchObject({ found: 'alive' });
    expect((await listed()).some(isHeld)).toBe(true);
  }, 60_000);

  it('watchdog: opens every gate when it has stopped for 90 s, and the webhook holds nothing more', async () => {
    const from = Date.now();
    const { code, stdout } = await ended(nerve(['watchdog', '--json'], 'watchdog'));
    const seconds = (Date.now() - from) / 1000;
    console.log(`watchdog: ${stdout.replace(/\s+/g, ' ')} after ${seconds.toFixed(0)} s`);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { found: 'dead', left: 0 }]);
    expect((await listed()).filter(isHeld)).toEqual([]);
    await untilHeld(false);
  }, 200_000);

  it('uninstall: none is left gated although a client creates ten labelled pods a second', async () => {
    await beats();
    await untilHeld(true);
    let failures = 0;
    let createdPods = 0;
    const client = setInterval(() => {
      createdPods += 1;
      create(simplePod()).catch(() => (failures += 1));
    }, 100);
    await vi.waitFor(async () => expect((await listed()).filter(isHeld).length).toBeGreaterThan(10), { timeout: 20_000 });
    const before = await ended(nerve(['watchdog', '--uninstall', 'before'], 'watchdog'));
    // What Helm does in between.
    webhook?.kill('SIGTERM');
    await plane.admin.call('DELETE', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/nerve-agent');
    const after = await ended(nerve(['watchdog', '--uninstall', 'after'], 'watchdog'));
    clearInterval(client);
    await vi.waitFor(async () => expect((await listed()).length).toBeGreaterThan(createdPods - 5));
    console.log(`uninstall: ${createdPods} pods created meanwhile, ${failures} failed`);
    expect([before.code, after.code, failures]).toEqual([0, 0, 0]);
    expect((await listed()).filter(isHeld)).toEqual([]);
  }, 120_000);
});
