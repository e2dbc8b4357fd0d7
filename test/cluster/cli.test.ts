// The command line against a real API server, with the token of a user who has the `edit` role in one namespace. Nerve itself is played: its
// webhook by an admission policy of the cluster, its worker by the test's own hands.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '../../src/engine/pod/types.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { type ControlPlane, startControlPlane, whyNoCluster } from '../support/k8s/control-plane.ts';

const why = await whyNoCluster();
const TEAM = 'team-a';
const PODS = `/api/v1/namespaces/${TEAM}/pods`;

const PLANNED = `apiVersion: batch/v1
kind: Job
metadata: {name: planned}
spec: {backoffLimit: 1, template: {spec: {restartPolicy: Never, terminationGracePeriodSeconds: 9, containers: [{name: c, image: i}]}}}
`;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe.skipIf(why !== null)(`the command line and a real API server${why === null ? '' : ` (skipped: ${why})`}`, () => {
  let plane: ControlPlane;
  let ann: string;

  beforeAll(async () => {
    plane = await startControlPlane();
    const { admin } = plane;
    for (const name of [TEAM, 'team-strict'])
      await admin.call('POST', '/api/v1/namespaces', {
        metadata: { name, labels: name === 'team-strict' ? { 'pod-security.kubernetes.io/enforce': 'restricted' } : {} },
      });
    ann = await userConfig('ann', 'edit');
    await played(admin);
  }, 1_900_000);
  afterAll(() => plane?.stop(), 60_000);
  afterEach(async () => {
    await plane.admin.call('DELETE', `${PODS}?gracePeriodSeconds=0`);
    await plane.admin.call('DELETE', `/apis/batch/v1/namespaces/${TEAM}/jobs?propagationPolicy=Background`);
    await eventually(async () => (await list()).length === 0);
  }, 60_000);

  const list = async (): Promise<readonly Pod[]> => (await plane.admin.call<{ items: readonly Pod[] }>('GET', PODS)).items;
  const note = (pod: string, annotations: Record<string, string>): Promise<unknown> =>
    plane.admin.call('PATCH', `${PODS}/${pod}`, { metadata: { annotations } }, 'application/merge-patch+json');

  /** How many watch the pods of one namespace now, as the API server counts them: whatever belongs to the cluster watches all namespaces. */
  const podWatches = async (): Promise<number> => {
    const page = await plane.admin.call<string>('GET', '/metrics');
    return Number(/^apiserver_longrunning_requests\{.*resource="pods",scope="namespace",.*verb="WATCH".*\} (\d+)$/m.exec(page)?.[1] ?? 0);
  };

  /** A user whose rights come from RBAC alone. */
  async function userConfig(name: string, role: string): Promise<string> {
    const { admin, folder } = plane;
    const account = `/api/v1/namespaces/${TEAM}/serviceaccounts`;
    await admin.call('POST', account, { metadata: { name } });
    for (const namespace of [TEAM, 'team-strict'])
      await admin.call('POST', `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`, {
        metadata: { name },
        subjects: [{ kind: 'ServiceAccount', name, namespace: TEAM }],
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      });
    const { status } = await admin.call<{ status: { token: string } }>('POST', `${account}/${name}/token`, { spec: {} });
    const file = join(folder, `${name}.json`);
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'real',
        clusters: [{ name: 'c', cluster: { server: admin.server.origin, 'certificate-authority-data': Buffer.from(admin.ca).toString('base64') } }],
        users: [{ name, user: { token: status.token } }],
        contexts: [{ name: 'real', context: { cluster: 'c', user: name, namespace: TEAM } }],
      }),
    );
    return file;
  }

  function nerve(args: readonly string[], kubeconfig = ann): Promise<Ran> {
    const env = { PATH: process.env['PATH'], HOME: plane.folder, NERVE_STATE_DIR: join(plane.folder, 'state'), KUBECONFIG: kubeconfig };
    return new Promise((done) => {
      const child = execFile(resolve('bin/nerve'), args, { cwd: plane.folder, env, timeout: 90_000 }, (_error, out, err) =>
        done({ code: child.exitCode ?? -1, out, err }),
      );
    });
  }

  /** The worker's part: every adopted pod is acknowledged, every ask is taken. */
  function workerLives(): { stop(): Promise<void> } {
    let alive = true;
    const plan = JSON.stringify({
      start: '2031-01-01T00:00:00Z',
      latestStart: '2031-01-01T04:00:00Z',
      zone: 'euw3-az2',
      instanceType: 'g6.xlarge',
      capacityType: 'spot',
      expectedCostUsd: 0.7,
      expectedCarbonGrams: 20,
      costNowUsd: 1.1,
    });
    const loop = (async () => {
      while (alive) {
        for (const { metadata } of await list()) {
          const { annotations = {}, labels = {}, name = '' } = metadata;
          const ask = annotations['nerve.io/request'];
          if (labels['nerve.io/job-id'] !== undefined && annotations['nerve.io/state'] === undefined)
            await note(name, { 'nerve.io/state': 'held', 'nerve.io/reason': 'cheaper-window-ahead', 'nerve.io/plan': plan });
          if (ask !== undefined && annotations['nerve.io/request-seen'] !== ask) await note(name, { 'nerve.io/request-seen': ask });
        }
        await new Promise((r) => setTimeout(r, 100));
      }
    })();
    return { stop: () => ((alive = false), loop) };
  }

  const SUBMIT = ['submit', '--image', 'train:1', '--cpu', '100m', '--memory', '64Mi', '-d', '2031-01-01T08:00:00Z', '--duration', '1h'];

  it('submits a pod and a Job, follows them, asks, and waits for the end over a real watch', async () => {
    const worker = workerLives();
    try {
      const submitted = await nerve([...SUBMIT, '--gpus', '1:l4', '--env-from', 'secret/wandb', '--', 'python', 'train.py']);
      expect(submitted).toEqual({
        code: 0,
        out: 'j-20310101t080000z\n',
        err: expect.stringMatching(/plan: start at about .* on spot g6\.xlarge in euw3-az2/),
      });
      const [pod] = await list();
      expect(pod).toMatchObject({
        metadata: { generateName: 'train-', annotations: { 'nerve.io/instance-types': expect.stringMatching(/^g6\.xlarge,/) } },
        spec: {
          schedulingGates: [{ name: 'nerve.io/hold' }],
          containers: [{ envFrom: [{ secretRef: { name: 'wandb' } }], resources: { limits: { 'nvidia.com/gpu': '1' } } }],
        },
      });
      const job = submitted.out.trim();
      expect((await nerve(['status', job])).out).toMatch(/^cluster \(context real, namespace team-a\)\nj-20310101t080000z {2}train {2}held until/);
      expect((await nerve(['explain', pod?.metadata.name ?? ''])).out).toContain('cheaper window');
      for (const ask of ['pause', 'resume', 'release']) expect(await nerve([ask, job])).toMatchObject({ code: 0 });
      await eventually(async () => (await podWatches()) === 0);
      const waiting = nerve(['wait', job, '--timeout', '60s']);
      await eventually(async () => (await podWatches()) === 1);
      await note(pod?.metadata.name ?? '', { 'nerve.io/state': 'cancelled' });
      expect(await waiting).toMatchObject({ code: 103, out: expect.stringContaining('cancelled') });

      const asJob = await nerve([...SUBMIT.slice(0, -4), '-d', '2031-01-02T08:00:00Z', '--as-job', '--json', '--', 'true']);
      expect(asJob.code).toBe(0);
      expect(JSON.parse(asJob.out)).toMatchObject({ kind: 'Job', acknowledged: true, jobId: 'j-20310102t080000z', phase: 'held' });
      expect(JSON.parse((await nerve(['list', '--json'])).out)).toMatchObject({
        jobs: [{ jobId: 'j-20310102t080000z' }, { jobId: 'j-20310101t080000z' }],
      });
    } finally {
      await worker.stop();
    }
  }, 120_000);

  it('opens a real gate by hand, with the rights of a user', async () => {
    expect(await nerve(['submit', '--image', 'i', '-d', '2031-01-01T08:00:00Z', '--dry-run'])).toMatchObject({
      code: 0,
      err: expect.stringContaining('Nerve would take this job'),
    });
    await plane.admin.call('POST', PODS, {
      metadata: { name: 'held', labels: { 'nerve.io/tier': 'async' }, annotations: { 'nerve.io/deadline': '2031-01-01T08:00:00Z' } },
      spec: { schedulingGates: [{ name: 'other.io/gate' }], containers: [{ name: 'c', image: 'i' }] },
    });
    expect((await list())[0]?.spec.schedulingGates).toHaveLength(2);
    expect(await nerve(['release', '--all'])).toMatchObject({ code: 0, out: expect.stringContaining('1 gate opened') });
    expect((await list())[0]?.spec.schedulingGates).toEqual([{ name: 'other.io/gate' }]);
  });

  it('becomes an exit code and words whatever the API server refuses', async () => {
    const { admin } = plane;
    await admin.call('POST', `/api/v1/namespaces/${TEAM}/resourcequotas`, { metadata: { name: 'few' }, spec: { hard: { pods: '0' } } });
    await eventually(
      async () =>
        (await admin.call<{ status?: { hard?: object } }>('GET', `/api/v1/namespaces/${TEAM}/resourcequotas/few`)).status?.hard !== undefined,
    );
    expect(await nerve(SUBMIT)).toMatchObject({
      code: 4,
      err: expect.stringMatching(/The quota "few" of namespace "team-a" is used up: requested: pods=1/),
    });
    await admin.call('DELETE', `/api/v1/namespaces/${TEAM}/resourcequotas/few`);

    expect(await nerve([...SUBMIT, '-n', 'default'])).toMatchObject({
      code: 4,
      err: expect.stringMatching(/You \(system:serviceaccount:team-a:ann\) may not create pods in namespace "default"/),
    });
    expect(await nerve([...SUBMIT, '-n', 'team-strict'])).toMatchObject({ code: 4, err: expect.stringMatching(/Pod Security refuses/) });
    expect(await nerve([...SUBMIT, '--volume', 'secret/a:/x', '--volume', 'secret/b:/x'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/must be unique/),
    });
    expect(await nerve(['status', 'j-nobody'])).toMatchObject({ code: 102 });
  }, 60_000);

  it('finds planted faults with the doctor, and says what it may not see', async () => {
    const { admin } = plane;
    const apps = `/apis/apps/v1/namespaces/default`;
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const node = (name: string, zone: string, type: string) =>
      admin.call('POST', '/api/v1/nodes', {
        metadata: { name, labels: { 'topology.kubernetes.io/zone': zone, 'karpenter.sh/capacity-type': type } },
      });
    await Promise.all([node('d-1', 'eu-west-3a', 'spot'), node('d-2', 'eu-west-3a', 'on-demand'), node('d-3', 'eu-west-3b', 'spot')]);
    await admin.call('POST', `${apps}/daemonsets`, {
      metadata: { name: 'aws-node-termination-handler' },
      spec: { selector: { matchLabels: { a: 'b' } }, template },
    });
    await admin.call('POST', `${apps}/deployments`, {
      metadata: { name: 'karpenter' },
      spec: {
        replicas: 0,
        selector: { matchLabels: { a: 'b' } },
        template: { ...template, spec: { containers: [{ name: 'c', image: 'i', env: [{ name: 'INTERRUPTION_QUEUE', value: 'q' }] }] } },
      },
    });
    await admin.call('POST', '/api/v1/persistentvolumes', {
      metadata: { name: 'disk' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        hostPath: { path: '/x' },
        claimRef: { namespace: TEAM, name: 'data' },
        nodeAffinity: {
          required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'topology.kubernetes.io/zone', operator: 'In', values: ['eu-west-3a'] }] }] },
        },
      },
    });
    await admin.call('POST', `/api/v1/namespaces/${TEAM}/persistentvolumeclaims`, {
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], volumeName: 'disk', storageClassName: '', resources: { requests: { storage: '1Gi' } } },
    });
    await admin.call('POST', `/api/v1/namespaces/${TEAM}/resourcequotas`, { metadata: { name: 'full' }, spec: { hard: { pods: '1' } } });
    const full = `/api/v1/namespaces/${TEAM}/resourcequotas/full`;
    // Until its controller has seen it, a quota counts nothing.
    await eventually(async () => (await admin.call<{ status?: { hard?: object } }>('GET', full)).status?.hard !== undefined);
    await admin.call('POST', PODS, {
      metadata: {
        name: 'slow',
        labels: { 'nerve.io/tier': 'async' },
        annotations: { 'nerve.io/deadline': '2031-01-01T08:00:00Z', 'nerve.io/last-checkpoint': '{"id":"1","step":1,"durationMs":150000}' },
      },
      spec: { containers: [{ name: 'c', image: 'i' }], volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] },
    });
    await eventually(
      async () =>
        (await admin.call<{ status?: { used?: { pods?: string } } }>('GET', `/api/v1/namespaces/${TEAM}/resourcequotas/full`)).status?.used?.pods ===
        '1',
    );
    await admin.call('POST', `/apis/batch/v1/namespaces/${TEAM}/jobs`, {
      metadata: { name: 'brittle' },
      spec: {
        suspend: true,
        backoffLimit: 2,
        template: { metadata: { labels: { 'nerve.io/tier': 'async' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    await admin.call('POST', '/api/v1/namespaces', { metadata: { name: 'nerve' } });

    const all = await findings(nerve(['doctor', '--json', '-n', TEAM], plane.kubeconfig));
    const faults = all.filter(({ status }) => status !== 'ok').map(({ check, status, what }) => `${status} ${check}: ${what}`);
    const expected = [
      /^fail installation: nothing of Nerve's runs in namespace nerve/,
      /^fail beat: no worker has finished a pass/,
      /^warn drainers: Node Termination Handler runs \(default\/aws-node-termination-handler\)/,
      /^warn drainers: Karpenter \(default\/karpenter\) watches the interruption queue/,
      /^fail pools: zone eu-west-3b has no on-demand nodes/,
      /^fail volumes: claim data of slow is tied to zone eu-west-3a/,
      /^fail grace: the last checkpoint of slow took 150 s/,
      /^warn backoff: Job brittle is moved at most once/,
      /^fail quotas: quota full is used up: 1 of 1 pods/,
    ];
    for (const fault of expected) expect(faults.filter((line) => fault.test(line))).toHaveLength(1);
    expect(all.filter(({ status }) => status === 'ok').map(({ check }) => check)).toEqual(expect.arrayContaining(['version', 'rights']));
    expect(all.filter(({ status, fix }) => status !== 'ok' && (fix ?? '') === '')).toEqual([]);

    const file = join(plane.folder, 'job.yaml');
    writeFileSync(file, PLANNED);
    const hers = await findings(nerve(['doctor', '--json', '-f', file]));
    expect(hers.find(({ check }) => check === 'pools')).toMatchObject({ status: 'unknown', what: expect.stringContaining('may not list nodes') });
    expect(hers.find(({ check }) => check === 'rights')).toMatchObject({ status: 'ok' });
    const of = (name: string) => hers.filter(({ check }) => check === name).map(({ status, what }) => `${status} ${what}`);
    expect(of('backoff')).toEqual([expect.stringMatching(/^warn Job planned is moved at most 0/), expect.stringMatching(/^warn Job brittle/)]);
    expect(of('grace')).toContainEqual(expect.stringMatching(/^warn planned- has only 9 s/));
    expect(hers.find(({ check }) => check === 'quotas')).toMatchObject({ status: 'fail' });
    await admin.call('DELETE', `/api/v1/namespaces/${TEAM}/resourcequotas/full`);
  }, 120_000);

  async function findings(ran: Promise<Ran>): Promise<readonly Finding[]> {
    const { code, out, err } = await ran;
    expect({ code, err }).toEqual({ code: 1, err: '' });
    return (JSON.parse(out) as { readonly findings: readonly Finding[] }).findings;
  }

  it('is unreachable, exit 3, while the API server is away', async () => {
    if (plane.apiServer === null) return;
    await plane.apiServer.stop();
    const gone = await nerve(['list', '--target', 'cluster']);
    await plane.apiServer.start();
    expect(gone).toMatchObject({ code: 3, err: expect.stringMatching(/context "real" does not answer at 127\.0\.0\.1/) });
  }, 60_000);
});

/** What Nerve's webhook does to a labelled pod, as far as the command line looks. */
async function played(admin: ControlPlane['admin']): Promise<void> {
  const policies = '/apis/admissionregistration.k8s.io/v1';
  const id = "'j-' + object.metadata.annotations['nerve.io/deadline'].lowerAscii().replace('-', '').replace(':', '')";
  await admin.call('POST', `${policies}/mutatingadmissionpolicies`, {
    metadata: { name: 'nerve' },
    spec: {
      failurePolicy: 'Ignore',
      reinvocationPolicy: 'Never',
      matchConstraints: {
        resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
        objectSelector: { matchLabels: { 'nerve.io/tier': 'async' } },
      },
      matchConditions: [{ name: 'deadline', expression: "has(object.metadata.annotations) && 'nerve.io/deadline' in object.metadata.annotations" }],
      mutations: [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: {
            expression: `Object{metadata: Object.metadata{labels: {'nerve.io/job-id': ${id}}, annotations: {'nerve.io/webhook': '0.1.0', 'nerve.io/attempt': '1'}}, spec: Object.spec{schedulingGates: [Object.spec.schedulingGates{name: 'nerve.io/hold'}]}}`,
          },
        },
      ],
    },
  });
  await admin.call('POST', `${policies}/mutatingadmissionpolicybindings`, { metadata: { name: 'nerve' }, spec: { policyName: 'nerve' } });
  // A policy takes a moment to be in force.
  await eventually(async () => {
    const tried = await admin.call<Pod>('POST', `${PODS}?dryRun=All`, {
      metadata: { name: 'x', labels: { 'nerve.io/tier': 'async' }, annotations: { 'nerve.io/deadline': '2031-01-01T08:00:00Z' } },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    return tried.metadata.labels?.['nerve.io/job-id'] === 'j-20310101t080000z';
  });
}

async function eventually(what: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 30_000;
  while (!(await what())) {
    if (performance.now() > untilMs) throw new Error('it did not happen within 30 s');
    await new Promise((r) => setTimeout(r, 100));
  }
}
