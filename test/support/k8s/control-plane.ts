// A control plane of a test's own: etcd, API server, scheduler, controller manager and kwok on free loopback ports, with nodes in three
// zones, spot and on demand. Surprises: pod addresses are 127.77.x.y, so that a fake hook can listen on a pod's own address; etcd does not
// sync to disk. With NERVE_TEST_KUBECONFIG that cluster is used instead and left running.

import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Admin, adminOf, ApiError } from './admin.ts';
import { type Daemon, daemon, freePorts, logTail } from './daemon.ts';
import { createPki, type Pki } from './pki.ts';
import { buildPrograms, hasGo, type Programs } from './programs.ts';

export interface ControlPlane {
  readonly kubeconfig: string;
  readonly admin: Admin;
  readonly folder: string;
  /** Ends the API server (an outage), and starts it again on the same port. Null where the cluster is not ours. */
  readonly apiServer: { stop(): Promise<void>; start(): Promise<void> } | null;
  stop(): Promise<void>;
}

/** Why cluster tests cannot run here; null if they can. */
export async function whyNoCluster(): Promise<string | null> {
  if (process.env['NERVE_TEST_KUBECONFIG'] !== undefined) return null;
  return (await hasGo()) ? null : 'there is neither Go (to build a control plane) nor NERVE_TEST_KUBECONFIG';
}

export async function startControlPlane(): Promise<ControlPlane> {
  const folder = await mkdtemp(join(tmpdir(), 'nerve-l1-'));
  const given = process.env['NERVE_TEST_KUBECONFIG'];
  if (given !== undefined) {
    const admin = adminOf(given);
    return { kubeconfig: given, admin, folder, apiServer: null, stop: () => closed(admin, [], folder) };
  }
  const programs = await buildPrograms((line) => console.error(line));
  const running: Daemon[] = [];
  try {
    return await start(programs, folder, running);
  } catch (error) {
    for (const each of running.toReversed()) await each.kill();
    const tails = running.map((each) => `--- ${each.name}\n${logTail(each)}`).join('\n');
    throw new Error(`The control plane did not start: ${String(error)}\n${tails}`, { cause: error });
  }
}

async function closed(admin: Admin, running: readonly Daemon[], folder: string): Promise<void> {
  admin.close();
  for (const each of running.toReversed()) await each.stop(2000);
  await rm(folder, { recursive: true, force: true });
}

async function start(programs: Programs, folder: string, running: Daemon[]): Promise<ControlPlane> {
  const [etcdPort = 0, peerPort = 0, apiPort = 0, schedulerPort = 0, controllerPort = 0, kwokPort = 0] = await freePorts(6);
  const server = `https://127.0.0.1:${apiPort}`;
  const pki = await createPki(join(folder, 'pki'));
  const logs = join(folder, 'logs');
  mkdirSync(logs, { recursive: true });
  await pki.issue('apiserver', '/CN=kube-apiserver', 'IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc');
  await pki.issue('admin', '/O=system:masters/CN=admin');
  await pki.issue('scheduler', '/CN=system:kube-scheduler');
  await pki.issue('controllers', '/CN=system:kube-controller-manager');
  const kubeconfig = await pki.kubeconfig('admin', server);
  const schedulerConfig = await pki.kubeconfig('scheduler', server);
  const controllersConfig = await pki.kubeconfig('controllers', server);

  const run = (name: string, program: string, args: readonly string[]): Daemon => {
    const started = daemon(name, program, args, join(logs, `${name}.log`));
    running.push(started);
    return started;
  };
  run('etcd', programs.etcd, etcdArgs(folder, etcdPort, peerPort));
  const apiArgs = apiServerArgs(pki, etcdPort, apiPort);
  let api = run('kube-apiserver', programs['kube-apiserver'], apiArgs);
  const admin = adminOf(kubeconfig);
  const ready = (): Promise<unknown> => until(() => admin.call('GET', '/readyz'), 'the API server', 120_000);
  await ready();
  const flags = (config: string, port: number): string[] => [
    `--kubeconfig=${config}`,
    `--authentication-kubeconfig=${config}`,
    `--authorization-kubeconfig=${config}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    '--leader-elect=false',
    '--kube-api-qps=300',
    '--kube-api-burst=600',
  ];
  run('kube-scheduler', programs['kube-scheduler'], flags(schedulerConfig, schedulerPort));
  run('kube-controller-manager', programs['kube-controller-manager'], [
    ...flags(controllersConfig, controllerPort),
    '--use-service-account-credentials',
    `--service-account-private-key-file=${pki.file('sa.key')}`,
    `--root-ca-file=${pki.file('ca.crt')}`,
    '--allocate-node-cidrs=false',
    // kwok beats for no node (below), so that silence means nothing here.
    '--node-monitor-grace-period=1h',
  ]);
  run('kwok', programs.kwok, [
    `--kubeconfig=${kubeconfig}`,
    `--config=${fileURLToPath(new URL('kwok.yaml', import.meta.url))}`,
    '--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake',
    // With leases it may overlook for ten minutes the pods of a node that came back while the API server was away.
    '--node-lease-duration-seconds=0',
    '--cidr=127.77.0.0/16',
    '--node-ip=127.76.0.1',
    `--server-address=127.0.0.1:${kwokPort}`,
  ]);
  await until(() => admin.call('GET', '/api/v1/namespaces/default/serviceaccounts/default'), 'the default service account', 60_000);
  return {
    kubeconfig,
    admin,
    folder,
    apiServer: {
      stop: async () => {
        await api.kill();
        running.splice(running.indexOf(api), 1);
      },
      start: async () => {
        api = run('kube-apiserver', programs['kube-apiserver'], apiArgs);
        await ready();
      },
    },
    stop: () => closed(admin, running, folder),
  };
}

const etcdArgs = (folder: string, port: number, peerPort: number): string[] => [
  '--name=test',
  `--data-dir=${join(folder, 'etcd')}`,
  '--unsafe-no-fsync',
  '--log-level=warn',
  `--listen-client-urls=http://127.0.0.1:${port}`,
  `--advertise-client-urls=http://127.0.0.1:${port}`,
  `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
  `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
  `--initial-cluster=test=http://127.0.0.1:${peerPort}`,
];

const apiServerArgs = (pki: Pki, etcdPort: number, port: number): string[] => [
  `--etcd-servers=http://127.0.0.1:${etcdPort}`,
  '--bind-address=127.0.0.1',
  '--advertise-address=127.0.0.1',
  `--secure-port=${port}`,
  '--endpoint-reconciler-type=none',
  `--client-ca-file=${pki.file('ca.crt')}`,
  `--tls-cert-file=${pki.file('apiserver.crt')}`,
  `--tls-private-key-file=${pki.file('apiserver.key')}`,
  '--service-account-issuer=https://kubernetes.default.svc',
  `--service-account-key-file=${pki.file('sa.pub')}`,
  `--service-account-signing-key-file=${pki.file('sa.key')}`,
  '--service-cluster-ip-range=10.96.0.0/16',
  '--authorization-mode=Node,RBAC',
  '--enable-admission-plugins=NodeRestriction',
  '--max-requests-inflight=1600',
  '--max-mutating-requests-inflight=800',
];

/** Until `call` stops failing. */
async function until<T>(call: () => Promise<T>, what: string, limitMs: number): Promise<T> {
  const from = Date.now();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() - from > limitMs) throw new Error(`no answer from ${what}: ${String(error)}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

export interface TestNode {
  readonly name: string;
  readonly zone: string;
  readonly capacityType: 'spot' | 'on-demand';
}

export const ZONES = ['eu-west-3a', 'eu-west-3b', 'eu-west-3c'] as const;
const GPUS_A_NODE = 8;

/** Nodes in three zones; ready when this answers. */
export async function createNodes(
  admin: Admin,
  perPool: number | { readonly spot: number; readonly 'on-demand': number },
  instanceType = 'g6.xlarge',
): Promise<readonly TestNode[]> {
  const count = typeof perPool === 'number' ? { spot: perPool, 'on-demand': perPool } : perPool;
  const nodes = ZONES.flatMap((zone) =>
    (['spot', 'on-demand'] as const).flatMap((capacityType) =>
      Array.from({ length: count[capacityType] }, (_, i): TestNode => ({ name: `n-${zone.at(-1)}-${capacityType}-${i}`, zone, capacityType })),
    ),
  );
  await Promise.all(nodes.map((node) => createNode(admin, node, instanceType)));
  await Promise.all(
    nodes.map(({ name }) =>
      until(
        async () => {
          const node = await admin.call<{ status?: { conditions?: { type: string; status: string }[] } }>('GET', `/api/v1/nodes/${name}`);
          if (node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') !== true) throw new Error('not ready');
        },
        `node ${name}`,
        60_000,
      ),
    ),
  );
  return nodes;
}

export async function createNode(admin: Admin, { name, zone, capacityType }: TestNode, instanceType = 'g6.xlarge'): Promise<void> {
  const size = { cpu: '64', memory: '512Gi', pods: '250', 'nvidia.com/gpu': String(GPUS_A_NODE) };
  const labels = {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'node.kubernetes.io/instance-type': instanceType,
    'topology.kubernetes.io/region': 'eu-west-3',
    'topology.kubernetes.io/zone': zone,
    'karpenter.sh/capacity-type': capacityType,
  };
  const node = { metadata: { name, labels, annotations: { 'kwok.x-k8s.io/node': 'fake' } }, status: { capacity: size, allocatable: size } };
  await admin.call('POST', '/api/v1/nodes', node).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.status === 409)) throw error;
  });
}
