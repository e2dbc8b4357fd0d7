import { describe, expect, it, test } from 'vitest';
import type { ClusterFacts, PodLook, Pool } from '../../src/doctor/facts.ts';
import { judgeCluster } from '../../src/doctor/judge-cluster.ts';
import { isNerves, lookAtJob, type RawJob } from '../../src/doctor/look-at-job.ts';
import { judgeLocal, type LocalFacts } from '../../src/doctor/judge-local.ts';
import { poolsFrom } from '../../src/doctor/pools-from.ts';

const pool = (zone: string, type: 'spot' | 'on-demand', change: Partial<Pool> = {}): Pool => ({
  name: `${type}-${zone}`,
  from: 'nodes',
  zones: [zone],
  capacityTypes: [type],
  taints: [],
  left: {},
  eksSpotGroup: false,
  ...change,
});
const POOLS = ['a', 'b'].flatMap((zone) => [pool(zone, 'spot'), pool(zone, 'on-demand')]);
const POD: PodLook = {
  name: 'train',
  graceSeconds: 110,
  saveMs: 20_000,
  claims: [],
  regional: false,
  tolerations: [],
  requests: { cpu: 4, 'nvidia.com/gpu': 1 },
  checkpointUri: 's3://b/p',
  serviceAccount: 'trainer',
};
const WORKER = {
  kind: 'Deployment',
  namespace: 'nerve',
  name: 'nerve-agent-worker',
  component: 'worker',
  wanted: 2,
  ready: 2,
  settings: [],
} as const;
const HEALTHY: ClusterFacts = {
  namespace: 'team-a',
  nerveNamespace: 'nerve',
  version: { known: { major: 1, minor: 36 } },
  gateKept: { known: true },
  webhook: { known: 'gates' },
  rights: { known: [{ what: 'create pods', allowed: true, needed: true }] },
  nerve: { known: [WORKER] },
  beat: { known: true },
  workloads: { known: [WORKER] },
  pools: { known: POOLS },
  hopLimits: { known: [{ name: 'default', hops: 1 }] },
  roleAccounts: { known: ['trainer'] },
  pods: { known: [POD] },
  jobs: {
    known: [
      { name: 'lasting', moves: null },
      { name: 'patient', moves: 3 },
    ],
  },
  claims: { known: [] },
  quotas: { known: [{ name: 'q', resource: 'pods', used: 3, hard: 10 }] },
  redis: { known: 'ok' },
  store: { known: 'ok' },
};
const troubles = (change: Partial<ClusterFacts>) => judgeCluster({ ...HEALTHY, ...change }).filter(({ status }) => status !== 'ok');

it('finds nothing in a healthy cluster', () => {
  expect(troubles({})).toEqual([]);
});

const tainted = POOLS.map((each) => ({ ...each, taints: [{ key: 'team', value: 'render', effect: 'NoSchedule' }] }));
const withClaim = { pods: { known: [{ ...POD, claims: ['data'] }] } };

describe('one planted fault', () => {
  test.each<[string, Partial<ClusterFacts>, { check: string; status: string; what: RegExp; fix: RegExp }]>([
    ['an old Kubernetes', { version: { known: { major: 1, minor: 29 } } }, { check: 'version', status: 'fail', what: /1\.29/, fix: /1\.30/ }],
    ['gates that are dropped', { gateKept: { known: false } }, { check: 'gates', status: 'fail', what: /drops/, fix: /policy/ }],
    ['no webhook', { webhook: { known: 'none' } }, { check: 'webhook', status: 'fail', what: /no webhook/, fix: /helm install/ }],
    ['a dead worker', { webhook: { known: 'away' } }, { check: 'webhook', status: 'fail', what: /worker is dead/, fix: /logs/ }],
    [
      'a right that is missing',
      { rights: { known: [{ what: 'patch pods', allowed: false, needed: true }] } },
      { check: 'rights', status: 'fail', what: /may not patch pods in namespace team-a/, fix: /rolebinding/ },
    ],
    [
      'nothing installed',
      { nerve: { known: [] } },
      { check: 'installation', status: 'fail', what: /nothing of Nerve's runs/, fix: /nerveNamespace/ },
    ],
    [
      'a worker that is not ready',
      { nerve: { known: [{ ...WORKER, ready: 0 }] } },
      { check: 'installation', status: 'fail', what: /0 of 2 ready/, fix: /describe deployment/ },
    ],
    ['a worker that never beat', { beat: { known: false } }, { check: 'beat', status: 'fail', what: /counts as away/, fix: /logs/ }],
    [
      'a Redis that evicts',
      { redis: { refused: 'This Redis evicts keys', fix: 'noeviction' } },
      { check: 'redis', status: 'fail', what: /evicts/, fix: /noeviction/ },
    ],
    [
      'Node Termination Handler',
      { workloads: { known: [{ ...WORKER, kind: 'DaemonSet', name: 'aws-node-termination-handler' }] } },
      { check: 'drainers', status: 'warn', what: /drains nodes/, fix: /Remove it/ },
    ],
    [
      "Karpenter's queue",
      { workloads: { known: [{ ...WORKER, name: 'karpenter', settings: ['INTERRUPTION_QUEUE=q'] }] } },
      { check: 'drainers', status: 'warn', what: /interruption queue/, fix: /interruptionQueue/ },
    ],
    [
      'an EKS spot group',
      { pools: { known: [...POOLS, pool('a', 'spot', { name: 'ng-1', eksSpotGroup: true })] } },
      { check: 'eks-groups', status: 'warn', what: /ng-1/, fix: /Karpenter/ },
    ],
    [
      'a zone without on demand',
      { pools: { known: POOLS.filter(({ name }) => name !== 'on-demand-b') } },
      { check: 'pools', status: 'fail', what: /zone b has no on-demand/, fix: /on-demand pool/ },
    ],
    [
      'a zone without spot',
      { pools: { known: POOLS.filter(({ name }) => name !== 'spot-b') } },
      { check: 'pools', status: 'warn', what: /zone b has no spot/, fix: /--zone/ },
    ],
    [
      'a limit that is used up',
      { pools: { known: POOLS.map((each) => (each.capacityTypes[0] === 'spot' ? { ...each, left: { cpu: 2 } } : each)) } },
      { check: 'pools', status: 'fail', what: /no spot pool has room for train: cpu/, fix: /limit/ },
    ],
    [
      'a hop limit of 1 for a pod that uses its node’s role',
      { roleAccounts: { known: [] } },
      { check: 'metadata', status: 'warn', what: /hop limit of 1.*train needs it/, fix: /httpPutResponseHopLimit: 2/ },
    ],
    [
      'a volume of one zone',
      { ...withClaim, claims: { known: [{ name: 'data', zones: ['a'], provisioner: 'x' }] } },
      { check: 'volumes', status: 'fail', what: /tied to zone a/, fix: /EFS/ },
    ],
    ['a claim that does not exist', { ...withClaim }, { check: 'volumes', status: 'fail', what: /does not exist/, fix: /Create it/ }],
    [
      'a regional volume that nobody declared',
      { ...withClaim, claims: { known: [{ name: 'data', zones: [], provisioner: 'efs.csi.aws.com' }] } },
      { check: 'volumes', status: 'warn', what: /leaves the pod alone/, fix: /regional/ },
    ],
    ['a short grace', { pods: { known: [{ ...POD, graceSeconds: 30 }] } }, { check: 'grace', status: 'fail', what: /./, fix: /./ }],
    [
      'a checkpoint slower than the notice',
      { pods: { known: [{ ...POD, saveMs: 150_000 }] } },
      { check: 'grace', status: 'fail', what: /took 150 s, more than the notice of 120 s/, fix: /smaller or faster/ },
    ],
    [
      'a Job whose backoffLimit its moves could use up',
      { jobs: { known: [{ name: 'brittle', moves: 2 }] } },
      { check: 'backoff', status: 'warn', what: /Job brittle is moved at most 2 times/, fix: /podFailurePolicy that ignores DisruptionTarget/ },
    ],
    [
      'a quota that is used up',
      { quotas: { known: [{ name: 'gpus', resource: 'requests.nvidia.com/gpu', used: 4, hard: 4 }] } },
      { check: 'quotas', status: 'fail', what: /gpus is used up: 4 of 4/, fix: /describe quota gpus/ },
    ],
    [
      'a bucket without fencing',
      { store: { known: 'no-fence' } },
      { check: 'checkpoints', status: 'fail', what: /If-None-Match/, fix: /conditional writes/ },
    ],
  ])('%s is found, with what to do', (name, change, { check, status, what, fix }) => {
    const found = troubles(name === 'a short grace' ? { pods: { known: [{ ...POD, graceSeconds: 30, saveMs: 40_000 }] } } : change);
    expect(found).toEqual([{ check, status, what: expect.stringMatching(what), fix: expect.stringMatching(fix) }]);
  });

  it('is found for both kinds of capacity when no pool tolerates the pod', () => {
    const found = troubles({ pools: { known: tainted } });
    expect(found.map(({ what }) => what)).toEqual([
      'no spot pool admits train: taint team:NoSchedule is not tolerated',
      'no on-demand pool admits train: taint team:NoSchedule is not tolerated',
    ]);
    expect(
      troubles({
        pools: { known: tainted },
        pods: { known: [{ ...POD, tolerations: [{ key: 'team', operator: 'Equal', value: 'render', effect: 'NoSchedule' }] }] },
      }),
    ).toEqual([]);
    expect(troubles({ pools: { known: tainted }, pods: { known: [{ ...POD, tolerations: [{ key: 'team', value: 'other' }] }] } })).toHaveLength(2);
  });
});

it('says what it could not look at, and that is no fault', () => {
  const found = troubles({ pools: { unknown: 'You (ann) may not list nodes.' }, redis: { unknown: 'no address of it was given' } });
  expect(found.map(({ check, status }) => `${check} ${status}`)).toEqual(['redis unknown', 'pools unknown', 'eks-groups unknown']);
  expect(found.every(({ what, fix }) => what.startsWith('not looked at') && fix !== null)).toBe(true);
});

it("looks at the Jobs whose pods are Nerve's and that have not ended, by the rule of the webhook", () => {
  const job = (labels: Record<string, string>, conditions: { type: string; status: string }[], more: object): RawJob => ({
    metadata: { name: 'nightly' },
    spec: { backoffLimit: 2, template: { metadata: { labels } }, ...more },
    status: { conditions },
  });
  const nerves = { 'nerve.io/tier': 'async' };
  const ignoring = { podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] } };
  const suspended = { type: 'Suspended', status: 'True' };
  expect([job(nerves, [], {}), job(nerves, [suspended], ignoring)].filter(isNerves).map(lookAtJob)).toEqual([
    { name: 'nightly', moves: 1 },
    { name: 'nightly', moves: null },
  ]);
  expect([job({}, [], {}), job(nerves, [{ type: 'Failed', status: 'True' }], {})].filter(isNerves)).toEqual([]);
});

it('reads nodes and node pools of three dialects', () => {
  const node = (name: string, labels: Record<string, string>, taints: { key: string; effect: string }[] = []) => ({
    metadata: { name, labels: { 'topology.kubernetes.io/zone': 'z1', ...labels } },
    spec: { taints },
  });
  const pools = poolsFrom(
    [
      node('1', { 'karpenter.sh/capacity-type': 'spot' }),
      node('2', { 'karpenter.sh/capacity-type': 'spot' }),
      node('3', { 'eks.amazonaws.com/capacityType': 'SPOT', 'eks.amazonaws.com/nodegroup': 'ng' }),
      node('4', {}, [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }]),
    ],
    [
      {
        metadata: { name: 'gpu' },
        spec: {
          limits: { cpu: 100 },
          template: {
            spec: {
              requirements: [{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot', 'on-demand'] }],
              taints: [{ key: 'nvidia.com/gpu', effect: 'NoSchedule' }],
            },
          },
        },
        status: { resources: { cpu: '96' } },
      },
    ],
  );
  expect(pools).toEqual([
    { name: '2 spot nodes in z1', from: 'nodes', zones: ['z1'], capacityTypes: ['spot'], taints: [], left: {}, eksSpotGroup: false },
    { name: 'ng', from: 'nodes', zones: ['z1'], capacityTypes: ['spot'], taints: [], left: {}, eksSpotGroup: true },
    { name: '1 on-demand nodes in z1', from: 'nodes', zones: ['z1'], capacityTypes: ['on-demand'], taints: [], left: {}, eksSpotGroup: false },
    {
      name: 'gpu',
      from: 'karpenter',
      zones: null,
      capacityTypes: ['spot', 'on-demand'],
      taints: [{ key: 'nvidia.com/gpu', value: null, effect: 'NoSchedule' }],
      left: { cpu: 4 },
      eksSpotGroup: false,
    },
  ]);
});

describe('this machine', () => {
  const fine: LocalFacts = {
    node: '24.21.0',
    python: '3.12.1',
    redis: { path: '/usr/bin/redis-server', from: 'PATH' },
    stateDir: '/s',
    stateMode: 0o700,
    writable: true,
    freeBytes: 1e12,
    up: true,
  };

  it('is fine', () => {
    expect(judgeLocal(fine).filter(({ status }) => status !== 'ok')).toEqual([]);
  });

  test.each<[Partial<LocalFacts>, string]>([
    [{ python: null }, 'python warn'],
    [{ python: '3.8.10' }, 'python fail'],
    [{ redis: { refused: 'evicts', fix: 'x' } }, 'redis fail'],
    [{ stateMode: 0o755 }, 'state warn'],
    [{ writable: false }, 'state fail'],
    [{ freeBytes: 1e6 }, 'disk warn'],
    [{ up: false }, 'up warn'],
  ])('with %j is told so', (change, told) => {
    const found = judgeLocal({ ...fine, ...change }).filter(({ status }) => status !== 'ok');
    expect(found.map(({ check, status }) => `${check} ${status}`)).toEqual([told]);
    expect(found[0]?.fix).not.toBe(null);
  });
});
