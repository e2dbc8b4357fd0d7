// Looks at a cluster with the user's rights. Every look is one or two reads and may be refused; then the fact is unknown, with the reason,
// and the others go on.

import { NerveError } from '../engine/errors.ts';
import { HOLD_GATE, POD } from '../engine/pod/names.ts';
import type { Pod, PodSpec } from '../engine/pod/types.ts';
import { probePod, versionOn } from '../intake/probe.ts';
import { podOf } from '../intake/submit-pod.ts';
import type { Created, Manifest, UserCluster } from '../ports.ts';
import type { Claim, ClusterFacts, Quota, Rights, Workload } from './facts.ts';
import type { Fact } from './finding.ts';
import { isNerves, lookAtJob, type RawJob } from './look-at-job.ts';
import { amount, lookAtPod } from './look-at-pod.ts';
import { poolsFrom, type RawNode, type RawNodePool } from './pools-from.ts';

export interface Look {
  readonly nerveNamespace: string;
  /** What is to be submitted, beside what is there. */
  readonly planned: readonly Manifest[];
  readonly store: ClusterFacts['store'];
  readonly redis: ClusterFacts['redis'];
  readonly nowMs: number;
}

interface Items<T> {
  readonly items: readonly T[];
}

export async function gather(cluster: UserCluster, look: Look): Promise<ClusterFacts> {
  const { namespace } = cluster;
  const list = async <T>(path: string): Promise<readonly T[]> => ((await cluster.get(path)) as Items<T>).items;
  const plannedPods = look.planned.map((object) => (object.kind === 'Job' ? podOf(object) : object) as unknown as Pod);
  const plannedJobs = look.planned.filter(({ kind }) => kind === 'Job') as unknown as readonly RawJob[];
  const pods = await fact(async () => [...plannedPods, ...(await cluster.pods('nerve.io/tier=async')).filter(alive)].map(lookAtPod));
  const claims = 'known' in pods ? [...new Set(pods.known.flatMap((pod) => pod.claims))] : [];
  const workloads = await fact(() => workloadsAt(list, ''));
  const own = await fact(async () => (await workloadsAt(list, look.nerveNamespace)).filter(({ component }) => component !== null));
  return {
    namespace,
    nerveNamespace: look.nerveNamespace,
    version: await fact(async () => versionFrom((await cluster.get('/version')) as { readonly major?: string; readonly minor?: string })),
    gateKept: await fact(async () => gated((await cluster.create(gatedPod(look.nowMs), { dryRun: true })).object)),
    webhook: await fact(async () => webhookFrom(await cluster.create(probePod(look.nowMs), { dryRun: true }))),
    rights: await fact(() => rightsOf(cluster)),
    nerve: own,
    beat: await fact(async () =>
      (await list<Pod>(`/api/v1/namespaces/${look.nerveNamespace}/pods?labelSelector=app.kubernetes.io/component%3Dworker`)).some(
        ({ metadata }) => metadata.annotations?.[POD.beat] !== undefined,
      ),
    ),
    workloads,
    pools: await fact(async () =>
      poolsFrom(await list<RawNode>('/api/v1/nodes'), await optional(() => list<RawNodePool>('/apis/karpenter.sh/v1/nodepools'))),
    ),
    hopLimits: await fact(async () =>
      (await list<RawNodeClass>('/apis/karpenter.k8s.aws/v1/ec2nodeclasses')).map(({ metadata, spec }) => ({
        name: metadata.name,
        hops: spec?.metadataOptions?.httpPutResponseHopLimit ?? 1,
      })),
    ),
    roleAccounts: await fact(async () =>
      (await list<Pod>(`/api/v1/namespaces/${namespace}/serviceaccounts`))
        .filter(({ metadata }) => metadata.annotations?.['eks.amazonaws.com/role-arn'] !== undefined)
        .flatMap(({ metadata }) => metadata.name ?? []),
    ),
    pods,
    jobs: await fact(async () =>
      [...plannedJobs, ...(await list<RawJob>(`/apis/batch/v1/namespaces/${namespace}/jobs`)).filter(isNerves)].map(lookAtJob),
    ),
    claims: await fact(async () => (await Promise.all(claims.map((name) => claimNamed(cluster, name)))).flatMap((claim) => claim ?? [])),
    quotas: await fact(async () => (await list<RawQuota>(`/api/v1/namespaces/${namespace}/resourcequotas`)).flatMap(quotasFrom)),
    redis: look.redis,
    store: look.store,
  };
}

async function fact<T>(look: () => Promise<T>): Promise<Fact<T>> {
  try {
    return { known: await look() };
  } catch (error) {
    if (error instanceof NerveError && error.kind !== 'unreachable') return { unknown: error.message };
    throw error;
  }
}

/** A kind that this cluster does not have. */
async function optional<T>(look: () => Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof NerveError && (error.kind === 'not-found' || error.kind === 'refused')) return [];
    throw error;
  }
}

const alive = ({ status }: Pod): boolean => status?.phase !== 'Succeeded' && status?.phase !== 'Failed';

const versionFrom = ({ major = '', minor = '' }: { readonly major?: string; readonly minor?: string }) => ({
  major: Number.parseInt(major, 10),
  minor: Number.parseInt(minor, 10),
});

const gated = ({ spec }: Manifest): boolean => ((spec as PodSpec).schedulingGates ?? []).some(({ name }) => name === HOLD_GATE);

/** Unlabelled: only the API server has a say. */
function gatedPod(nowMs: number): Manifest {
  const pod = probePod(nowMs);
  return { ...pod, metadata: { generateName: 'nerve-probe-' }, spec: { ...(pod.spec as PodSpec), schedulingGates: [{ name: HOLD_GATE }] } };
}

function webhookFrom({ object, warnings }: Created): 'gates' | 'adopts-without-gate' | 'away' | 'none' {
  if (versionOn(object) !== null) return gated(object) ? 'gates' : 'adopts-without-gate';
  return warnings.some((text) => /^nerve: .*does not answer/.test(text)) ? 'away' : 'none';
}

const RIGHTS: readonly { readonly verb: string; readonly resource: string; readonly group?: string; readonly needed: boolean }[] = [
  { verb: 'create', resource: 'pods', needed: true },
  { verb: 'list', resource: 'pods', needed: true },
  { verb: 'watch', resource: 'pods', needed: true },
  { verb: 'patch', resource: 'pods', needed: true },
  { verb: 'get', resource: 'pods/log', needed: false },
  { verb: 'create', resource: 'jobs', group: 'batch', needed: false },
];

const rightsOf = (cluster: UserCluster): Promise<readonly Rights[]> =>
  Promise.all(
    RIGHTS.map(async ({ verb, resource, group, needed }) => ({
      what: `${verb} ${resource}`,
      allowed: await cluster.may(verb, resource, group),
      needed,
    })),
  );

interface RawWorkload {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: {
      readonly spec?: {
        readonly containers?: readonly {
          readonly args?: readonly string[];
          readonly command?: readonly string[];
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
        }[];
      };
    };
  };
  readonly status?: { readonly readyReplicas?: number; readonly numberReady?: number; readonly desiredNumberScheduled?: number };
}

async function workloadsAt(list: <T>(path: string) => Promise<readonly T[]>, namespace: string): Promise<readonly Workload[]> {
  const where = namespace === '' ? '' : `/namespaces/${namespace}`;
  const kinds = { deployments: 'Deployment', daemonsets: 'DaemonSet', statefulsets: 'StatefulSet' } as const;
  const found = await Promise.all(
    Object.entries(kinds).map(async ([path, kind]) =>
      (await list<RawWorkload>(`/apis/apps/v1${where}/${path}`)).map((raw) => workloadFrom(raw, kind)),
    ),
  );
  return found.flat();
}

function workloadFrom({ metadata, spec, status }: RawWorkload, kind: Workload['kind']): Workload {
  const containers = spec?.template?.spec?.containers ?? [];
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    component: metadata.labels?.['app.kubernetes.io/name'] === 'nerve-agent' ? (metadata.labels['app.kubernetes.io/component'] ?? null) : null,
    wanted: kind === 'DaemonSet' ? (status?.desiredNumberScheduled ?? 0) : (spec?.replicas ?? 1),
    ready: (kind === 'DaemonSet' ? status?.numberReady : status?.readyReplicas) ?? 0,
    settings: containers.flatMap(({ args = [], command = [], env = [] }) => [
      ...args,
      ...command,
      ...env.map(({ name, value = '' }) => `${name}=${value}`),
    ]),
  };
}

interface RawNodeClass {
  readonly metadata: { readonly name: string };
  readonly spec?: { readonly metadataOptions?: { readonly httpPutResponseHopLimit?: number } };
}

interface RawQuota {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly hard?: Readonly<Record<string, string>>; readonly used?: Readonly<Record<string, string>> };
}

function quotasFrom({ metadata, status }: RawQuota): readonly Quota[] {
  return Object.entries(status?.hard ?? {}).map(([resource, hard]) => ({
    name: metadata.name,
    resource,
    hard: amount(hard),
    used: amount(status?.used?.[resource] ?? '0'),
  }));
}

interface RawClaim {
  readonly spec?: { readonly storageClassName?: string; readonly volumeName?: string };
}

interface RawVolume {
  readonly spec?: {
    readonly nodeAffinity?: {
      readonly required?: {
        readonly nodeSelectorTerms?: readonly {
          readonly matchExpressions?: readonly { readonly key: string; readonly values?: readonly string[] }[];
        }[];
      };
    };
  };
}

/** Null: there is no such claim. Volume and class belong to the cluster, and may be out of the user's sight. */
async function claimNamed(cluster: UserCluster, name: string): Promise<Claim | null> {
  const get = async <T>(path: string): Promise<T | null> => ((await optional(async () => [await cluster.get(path)]))[0] as T | undefined) ?? null;
  const claim = await get<RawClaim>(`/api/v1/namespaces/${cluster.namespace}/persistentvolumeclaims/${name}`);
  if (claim === null) return null;
  const { volumeName, storageClassName } = claim.spec ?? {};
  const volume = volumeName === undefined ? null : await get<RawVolume>(`/api/v1/persistentvolumes/${volumeName}`);
  const kind =
    storageClassName === undefined
      ? null
      : await get<{ readonly provisioner?: string }>(`/apis/storage.k8s.io/v1/storageclasses/${storageClassName}`);
  const terms = volume?.spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const zones = terms.flatMap(({ matchExpressions = [] }) =>
    matchExpressions.filter(({ key }) => /zone/.test(key)).flatMap(({ values = [] }) => values),
  );
  return { name, zones: [...new Set(zones)], provisioner: kind?.provisioner ?? null };
}
