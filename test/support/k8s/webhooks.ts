// Nerve's own webhook beside a level-1 cluster, and one of the test's that makes launches come to nothing: it gives every so many pods, at
// the moment at which they are let go, a node selector that no node has.

import { type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Pod } from '../../../src/engine/pod/types.ts';
import { selfSigned, writeCertificate } from '../webhook/certificate.ts';
import type { Admin } from './admin.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Daemon, freePorts } from './daemon.ts';
import { startNerve, SYSTEM } from './nerve.ts';

const WORKER_LABELS = { 'app.kubernetes.io/name': 'nerve-agent', 'app.kubernetes.io/component': 'worker' };
const REGISTRATIONS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
/** What it leaves as it is: pods that a test has written as they are after the webhook. */
export const READY_LABEL = 'nerve.test/ready';
const WORKER_POD = 'worker';
/** For the worker whose beat the webhook reads. */
export const BEATING = { NERVE_POD_NAME: WORKER_POD, NERVE_POD_NAMESPACE: SYSTEM } as const;

/** The object on which the worker beats; nothing runs in it. */
export async function createWorkerPod(admin: Admin): Promise<void> {
  await admin.call('POST', `/api/v1/namespaces/${SYSTEM}/pods`, {
    metadata: { name: WORKER_POD, labels: WORKER_LABELS },
    spec: { schedulingGates: [{ name: 'nerve.test/nowhere' }], containers: [{ name: 'worker', image: 'worker' }] },
  });
}

/** The real webhook, registered as the chart registers it; answers when it serves. */
export async function startNerveWebhook(plane: ControlPlane, jobNamespace: string, program?: readonly string[]): Promise<Daemon> {
  const certificate = selfSigned();
  const tlsDir = join(plane.folder, 'tls');
  writeCertificate(tlsDir, certificate);
  const [port = 0] = await freePorts(1);
  const webhook = await startNerve(plane, {
    role: 'webhook',
    name: 'webhook',
    env: {
      NERVE_POD_NAMESPACE: SYSTEM,
      NERVE_WORKER_SELECTOR: Object.entries(WORKER_LABELS)
        .map((label) => label.join('='))
        .join(','),
      NERVE_WORKER_ACCOUNT: 'nerve-worker',
      NERVE_JOB_NAMESPACES: jobNamespace,
      NERVE_WEBHOOK_HOST: '127.0.0.1',
      NERVE_WEBHOOK_PORT: String(port),
      NERVE_TLS_DIR: tlsDir,
    },
    ...(program === undefined ? {} : { program }),
  });
  await answers(port, certificate.cert);
  await plane.admin.call('POST', REGISTRATIONS, {
    metadata: { name: 'nerve-agent' },
    webhooks: [
      {
        ...(registration('pods.nerve.io', `https://127.0.0.1:${port}/mutate/pods`, certificate.cert) as object),
        failurePolicy: 'Ignore',
        reinvocationPolicy: 'IfNeeded',
        objectSelector: {
          matchLabels: { 'nerve.io/tier': 'async' },
          matchExpressions: [{ key: READY_LABEL, operator: 'DoesNotExist' }],
        },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'], scope: 'Namespaced' }],
      },
    ],
  });
  return webhook;
}

const registration = (name: string, url: string, cert: string): object => ({
  name,
  admissionReviewVersions: ['v1'],
  sideEffects: 'None',
  timeoutSeconds: 2,
  clientConfig: { url, caBundle: Buffer.from(cert).toString('base64') },
});

async function answers(port: number, ca: string): Promise<void> {
  const once = (): Promise<boolean> =>
    new Promise((resolve) => {
      request({ host: '127.0.0.1', port, path: '/healthz', ca, agent: false }, (response) => {
        response.resume();
        resolve(true);
      })
        .on('error', () => resolve(false))
        .end();
    });
  for (const from = Date.now(); !(await once()); ) {
    if (Date.now() - from > 60_000) throw new Error('the webhook does not serve');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

export interface DryLaunches {
  readonly launches: () => number;
  /** Ids of jobs whose launch came to nothing, one entry a launch. */
  readonly dry: readonly { readonly jobId: string; readonly onDemand: boolean }[];
  close(): Promise<void>;
}

const LET_GO =
  "(request.operation == 'CREATE' && !has(object.spec.schedulingGates)) || (request.operation == 'UPDATE' && has(oldObject.spec.schedulingGates) && !has(object.spec.schedulingGates))";

/** Every launch for which `isDry` says so stays unschedulable. */
export async function startDryLaunches(admin: Admin, isDry: () => boolean): Promise<DryLaunches> {
  const certificate = selfSigned();
  const dry: { readonly jobId: string; readonly onDemand: boolean }[] = [];
  let launches = 0;
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = '';
    for await (const chunk of incoming as AsyncIterable<Buffer>) text += chunk.toString();
    const { request: asked } = JSON.parse(text) as { request: { uid: string; object: Pod; dryRun?: boolean } };
    const patch = asked.dryRun === true ? null : patchFor(asked.object);
    const how = patch === null ? {} : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
    response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: asked.uid, allowed: true, ...how } }));
  };
  const patchFor = ({ metadata }: Pod): readonly object[] | null => {
    launches += 1;
    if (!isDry()) return null;
    const onDemand = (metadata.annotations?.['nerve.io/launched-as'] ?? '').includes('on-demand');
    dry.push({ jobId: metadata.labels?.['nerve.io/job-id'] ?? '', onDemand });
    return [{ op: 'add', path: '/spec/nodeSelector', value: { 'nerve.test/room': 'none' } }];
  };
  const server = createServer(certificate, (incoming, response) => void answer(incoming, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await admin.call('POST', REGISTRATIONS, {
    metadata: { name: 'zz-dry' },
    webhooks: [
      {
        ...registration('dry.test.io', url, certificate.cert),
        failurePolicy: 'Ignore',
        objectSelector: { matchLabels: { 'nerve.io/tier': 'async' } },
        matchConditions: [{ name: 'let-go', expression: LET_GO }],
        rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE', 'UPDATE'] }],
      },
    ],
  });
  return {
    launches: () => launches,
    dry,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
