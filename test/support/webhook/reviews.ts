// AdmissionReviews in the shape in which an API server of 1.36 sends them on CREATE: no name and no uid where only generateName was
// given, defaults filled in, `creationTimestamp` null. `pods` are the kinds of pod that adoption tells apart.

import type { Pod } from '../../../src/engine/pod/types.ts';

type Json = Readonly<Record<string, unknown>>;

const ADMIN = { username: 'kubernetes-admin', groups: ['kubeadm:cluster-admins', 'system:authenticated'] };
const JOB_CONTROLLER = {
  username: 'system:serviceaccount:kube-system:job-controller',
  uid: 'c2f3b6a4-0b2e-4d58-9a55-6f3f4b3d6a10',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
};
export const WORKER = 'system:serviceaccount:nerve:nerve-agent-worker';

const TOKEN_VOLUME = {
  name: 'kube-api-access-x7k2p',
  projected: {
    defaultMode: 420,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
    ],
  },
};

const container = (more: Json = {}): Json => ({
  name: 'train',
  image: 'registry.example/train:1',
  command: ['python', 'train.py'],
  resources: { limits: { 'nvidia.com/gpu': '1' }, requests: { 'nvidia.com/gpu': '1' } },
  volumeMounts: [{ name: TOKEN_VOLUME.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  imagePullPolicy: 'IfNotPresent',
  ...more,
});

const spec = (more: Json = {}): Json => ({
  volumes: [TOKEN_VOLUME],
  containers: [container()],
  restartPolicy: 'Never',
  terminationGracePeriodSeconds: 30,
  dnsPolicy: 'ClusterFirst',
  serviceAccountName: 'default',
  serviceAccount: 'default',
  securityContext: {},
  schedulerName: 'default-scheduler',
  tolerations: [
    { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
  ],
  priority: 0,
  enableServiceLinks: true,
  preemptionPolicy: 'PreemptLowerPriority',
  ...more,
});

const ASKED = { 'nerve.io/deadline': '2026-11-25T20:00:00Z', 'nerve.io/expected-duration': '2h', 'nerve.io/checkpoint-uri': 's3://bucket/run-7' };

const metadata = (more: Json = {}): Json => ({
  name: 'run-7',
  namespace: 'default',
  creationTimestamp: null,
  labels: { 'nerve.io/tier': 'async', app: 'train' },
  annotations: ASKED,
  ...more,
});

const owner = (apiVersion: string, kind: string, name: string): Json => ({
  apiVersion,
  kind,
  name,
  uid: 'f3b1a0de-7a55-4f0c-8d3e-0d7c4e7f9b21',
  controller: true,
  blockOwnerDeletion: true,
});

const ownedBy = (reference: Json, more: Json = {}): Json =>
  metadata({ name: undefined, generateName: `${String(reference['name'])}-`, ownerReferences: [reference], ...more });

const JOB = owner('batch/v1', 'Job', 'run-7');
const OF_JOB = { ...ASKED, 'nerve.io/backoff-limit': '6', 'nerve.io/ignores-disruption': 'true' };

const pod = (meta: Json, podSpec: Json = spec()): Json => ({ kind: 'Pod', apiVersion: 'v1', metadata: meta, spec: podSpec, status: {} });

const indexed = (index: string): Json =>
  ownedBy(JOB, {
    labels: { 'nerve.io/tier': 'async', 'batch.kubernetes.io/job-name': 'run-7', 'batch.kubernetes.io/job-completion-index': index },
    annotations: { ...OF_JOB, 'batch.kubernetes.io/job-completion-index': index },
  });

const { 'nerve.io/deadline': _deadline, ...WITHOUT_DEADLINE } = ASKED;
const { 'nerve.io/expected-duration': _duration, ...WITHOUT_DURATION } = ASKED;

/** Every kind of pod, by what is special about it. */
export const pods = {
  'bare pod': pod(metadata()),
  'bare pod with generateName': pod(metadata({ name: undefined, generateName: 'run-' })),
  'pod of a Job': pod(ownedBy(JOB, { annotations: OF_JOB })),
  'pod of a Job that is older than the webhook': pod(ownedBy(JOB)),
  'pod of an indexed Job': pod(indexed('3')),
  'pod of a parallel Job without index': pod(
    ownedBy(JOB, { annotations: { ...OF_JOB, 'nerve.io/leave': 'left alone, because its Job runs several pods.' } }),
  ),
  'pod of a Deployment': pod(ownedBy(owner('apps/v1', 'ReplicaSet', 'web-5d9c7b'))),
  'pod of a StatefulSet': pod(metadata({ ownerReferences: [owner('apps/v1', 'StatefulSet', 'db')] })),
  'pod of a DaemonSet': pod(ownedBy(owner('apps/v1', 'DaemonSet', 'logs'))),
  'pod of a custom resource': pod(metadata({ ownerReferences: [owner('kubeflow.org/v1', 'PyTorchJob', 'run-7')] })),
  'mirror pod': pod(
    metadata({
      annotations: { ...ASKED, 'kubernetes.io/config.mirror': '5b9e', 'kubernetes.io/config.source': 'file' },
      ownerReferences: [owner('v1', 'Node', 'a')],
    }),
    spec({ nodeName: 'a' }),
  ),
  'pod that names its node': pod(metadata(), spec({ nodeName: 'gpu-1' })),
  'pod with a Kueue queue': pod(
    metadata({ labels: { 'nerve.io/tier': 'async', 'kueue.x-k8s.io/queue-name': 'team-a', 'kueue.x-k8s.io/managed': 'true' } }),
    spec({ schedulingGates: [{ name: 'kueue.x-k8s.io/admission' }] }),
  ),
  'pod with a claim': pod(metadata(), spec({ volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }, TOKEN_VOLUME] })),
  'pod with an ephemeral volume': pod(
    metadata(),
    spec({
      volumes: [
        {
          name: 'scratch',
          ephemeral: { volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } } },
        },
        TOKEN_VOLUME,
      ],
    }),
  ),
  'pod with a regional claim': pod(
    metadata({ annotations: { ...ASKED, 'nerve.io/volumes': 'regional' } }),
    spec({ volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'efs' } }, TOKEN_VOLUME] }),
  ),
  'pod with an unreadable deadline': pod(metadata({ annotations: { ...ASKED, 'nerve.io/deadline': 'tomorrow at six' } })),
  'pod with an unreadable duration': pod(metadata({ annotations: { ...ASKED, 'nerve.io/expected-duration': 'long' } })),
  'pod whose deadline has passed': pod(metadata({ annotations: { ...ASKED, 'nerve.io/deadline': '2026-11-25T11:00:00Z' } })),
  'pod without duration': pod(metadata({ annotations: WITHOUT_DURATION })),
  'pod without deadline': pod(metadata({ annotations: WITHOUT_DEADLINE })),
  'pod without annotations': pod(metadata({ annotations: undefined })),
  'pod in a namespace outside jobNamespaces': pod(metadata({ namespace: 'team-b' })),
  'pod that restarts always': pod(metadata(), spec({ restartPolicy: 'Always' })),
  'pod with sidecars': pod(
    metadata({ annotations: { ...ASKED, 'kubectl.kubernetes.io/default-container': 'train', 'sidecar.istio.io/status': '{}' } }),
    spec({
      initContainers: [container({ name: 'istio-init' }), container({ name: 'log-shipper', restartPolicy: 'Always' })],
      containers: [
        container({ name: 'istio-proxy', env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
        container(),
      ],
    }),
  ),
  'pod with affinity, gate and environment of its own': pod(
    metadata({
      annotations: { ...ASKED, 'karpenter.sh/do-not-disrupt': 'false', 'nerve.io/container': 'train' },
    }),
    spec({
      terminationGracePeriodSeconds: 600,
      schedulingGates: [{ name: 'example.com/quota' }],
      tolerations: [{ key: 'eks.amazonaws.com/capacityType', operator: 'Exists' }],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['g5.xlarge'] }] }],
          },
        },
      },
      containers: [
        container({
          env: [
            { name: 'EPOCHS', value: '10' },
            { name: 'SECRET', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
          ],
        }),
      ],
    }),
  ),
  'copy of an adopted pod': pod(
    metadata({
      labels: { 'nerve.io/tier': 'async', 'nerve.io/job-id': 'j-00000000' },
      annotations: {
        ...ASKED,
        'nerve.io/webhook': '0.1.0',
        'nerve.io/attempt': '4',
        'nerve.io/state': '{}',
        'nerve.io/last-checkpoint': '{"id":"0000000004"}',
        'nerve.io/request-seen': 'cancel#1',
      },
    }),
    spec({
      schedulingGates: [{ name: 'nerve.io/hold' }],
      containers: [
        container({
          env: [
            { name: 'NERVE_JOB_ID', value: 'j-00000000' },
            { name: 'NERVE_ATTEMPT', value: '4' },
            { name: 'NERVE_HOOK_TOKEN', value: 'stolen' },
            { name: 'NERVE_PREVIOUS_ATTEMPT', value: '3' },
            { name: 'EPOCHS', value: '10' },
          ],
        }),
      ],
    }),
  ),
  'pod of a Deployment with our gate in its template': pod(
    ownedBy(owner('apps/v1', 'ReplicaSet', 'web-5d9c7b')),
    spec({ schedulingGates: [{ name: 'nerve.io/hold' }] }),
  ),
  'pod without the label': pod(metadata({ labels: { app: 'train' } })),
} as const;

export type PodKind = keyof typeof pods;

export const podKinds = Object.keys(pods) as readonly PodKind[];

export const podOfKind = (kind: PodKind): Pod => JSON.parse(JSON.stringify(pods[kind])) as Pod;

interface Request {
  readonly uid?: string;
  readonly username?: string;
  readonly dryRun?: boolean;
}

/** The review of one creation. */
export function podReview(object: unknown, { uid = '9d0a3c52-5a32-4e1e-8d2c-0a4f6f1f0b11', username, dryRun = false }: Request = {}): unknown {
  const { metadata: meta } = object as Pod;
  const byController = meta.ownerReferences !== undefined;
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid,
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      requestKind: { group: '', version: 'v1', kind: 'Pod' },
      requestResource: { group: '', version: 'v1', resource: 'pods' },
      ...(meta.name === undefined ? {} : { name: meta.name }),
      namespace: meta.namespace ?? 'default',
      operation: 'CREATE',
      userInfo: username !== undefined ? { username } : byController ? JOB_CONTROLLER : ADMIN,
      object,
      oldObject: null,
      dryRun,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'kubectl-create', fieldValidation: 'Strict' },
    },
  };
}

export function jobReview(jobSpec: Json, { labels, template = {} }: { readonly labels?: Json; readonly template?: Json } = {}): unknown {
  const object = {
    kind: 'Job',
    apiVersion: 'batch/v1',
    metadata: { name: 'run-7', namespace: 'default', creationTimestamp: null, ...(labels === undefined ? {} : { labels }) },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      ...jobSpec,
      template: { metadata: { creationTimestamp: null, labels: { 'nerve.io/tier': 'async' }, ...template }, spec: spec() },
    },
    status: {},
  };
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: '0c9b5a9e-3f0f-4b57-9b43-1c7f1c5f3d21',
      kind: { group: 'batch', version: 'v1', kind: 'Job' },
      resource: { group: 'batch', version: 'v1', resource: 'jobs' },
      name: 'run-7',
      namespace: 'default',
      operation: 'CREATE',
      userInfo: ADMIN,
      object,
      oldObject: null,
      dryRun: false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    },
  };
}
