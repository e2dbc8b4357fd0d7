// Where jobs may run: for each zone a spot and an on-demand pool whose taints and limits admit the pods.

import type { ClusterFacts, PodLook, Pool } from './facts.ts';
import { fail, type Finding, judge, ok, unknown, warn } from './finding.ts';

const READ = 'Needs the right to list nodes (and Karpenter’s nodepools).';

export function judgePools({ pools, pods, hopLimits, roleAccounts }: ClusterFacts): readonly Finding[] {
  const looks = 'known' in pods ? pods.known : [];
  return [
    ...judge('pools', pools, READ, (all) => [...zones(all), ...admits(all, looks)]),
    ...judge('eks-groups', pools, READ, (all) => {
      const spot = all.filter(({ eksSpotGroup }) => eksSpotGroup);
      return spot.length === 0
        ? ok('eks-groups', 'no EKS managed spot group, which would drain by itself')
        : warn(
            'eks-groups',
            `EKS managed spot groups drain nodes themselves: ${spot.map(({ name }) => name).join(', ')}`,
            'Use Karpenter or self-managed spot nodes; until then Nerve only checkpoints and restarts there.',
          );
    }),
    ...hops(hopLimits, roleAccounts, looks),
  ];
}

function zones(pools: readonly Pool[]): readonly Finding[] {
  const names = [...new Set(pools.flatMap((pool) => pool.zones ?? []))].sort();
  if (names.length === 0)
    return [fail('pools', 'no node shows a zone', 'Label nodes with topology.kubernetes.io/zone, or let the cloud provider do it.')];
  const missing = names.flatMap((zone) =>
    (['spot', 'on-demand'] as const)
      .filter((type) => !pools.some((pool) => (pool.zones?.includes(zone) ?? true) && pool.capacityTypes.includes(type)))
      .map((type) => ({ zone, type })),
  );
  const single =
    names.length === 1
      ? [
          warn(
            'pools',
            `there is only one zone (${names[0]}): a job can never move to a neighbouring one`,
            'Add node pools in other zones of the region.',
          ),
        ]
      : [];
  if (missing.length === 0) return [...single, ok('pools', `spot and on demand in ${names.join(', ')}`)];
  return [
    ...single,
    ...missing.map(({ zone, type }) =>
      type === 'spot'
        ? warn('pools', `zone ${zone} has no spot nodes`, 'Add a spot pool there, or leave the zone out with --zone.')
        : fail('pools', `zone ${zone} has no on-demand nodes: nothing can guarantee a deadline there`, 'Add an on-demand pool there.'),
    ),
  ];
}

function admits(pools: readonly Pool[], pods: readonly PodLook[]): readonly Finding[] {
  return pods.flatMap((pod) =>
    (['spot', 'on-demand'] as const).flatMap((type) => {
      const of = pools.filter((pool) => pool.capacityTypes.includes(type));
      if (of.length === 0 || of.some((pool) => tolerated(pod, pool, type) && fits(pod, pool))) return [];
      const taint = of.flatMap((pool) => untolerated(pod, pool, type))[0];
      const full = of.flatMap((pool) => over(pod, pool).map((resource) => `${resource} in pool ${pool.name}`))[0];
      return taint !== undefined
        ? fail('pools', `no ${type} pool admits ${pod.name}: taint ${taint} is not tolerated`, `Add a toleration for ${taint} to the pod.`)
        : fail('pools', `no ${type} pool has room for ${pod.name}: ${full ?? 'limit'} is used up`, 'Raise the limit of the pool.');
    }),
  );
}

/** The webhook adds a toleration for spot taints by itself. */
const SPOT_TAINTS = /spot|capacity-?type/i;

const untolerated = (pod: PodLook, { taints }: Pool, type: string): readonly string[] =>
  taints
    .filter(({ effect }) => effect !== 'PreferNoSchedule')
    .filter((taint) => !(type === 'spot' && (SPOT_TAINTS.test(taint.key) || SPOT_TAINTS.test(taint.value ?? ''))))
    .filter(
      (taint) =>
        !pod.tolerations.some(
          (t) =>
            (t.key === undefined || t.key === taint.key) &&
            (t.operator === 'Exists' || (t.value ?? '') === (taint.value ?? '')) &&
            (t.effect === undefined || t.effect === taint.effect),
        ),
    )
    .map(({ key, effect }) => `${key}:${effect}`);

const tolerated = (pod: PodLook, pool: Pool, type: string): boolean => untolerated(pod, pool, type).length === 0;

const over = (pod: PodLook, pool: Pool): readonly string[] =>
  Object.entries(pod.requests).flatMap(([resource, wanted]) => ((pool.left[resource] ?? Number.POSITIVE_INFINITY) < wanted ? [resource] : []));

const fits = (pod: PodLook, pool: Pool): boolean => over(pod, pool).length === 0;

/** Pods reach the instance metadata, and with it their node's role, only over a second hop. */
function hops(limits: ClusterFacts['hopLimits'], accounts: ClusterFacts['roleAccounts'], pods: readonly PodLook[]): readonly Finding[] {
  const check = 'metadata';
  const withBucket = pods.filter(({ checkpointUri }) => checkpointUri?.startsWith('s3:') ?? false);
  const roles = 'known' in accounts ? accounts.known : [];
  const byNode = withBucket.filter(({ serviceAccount }) => !roles.includes(serviceAccount));
  if (withBucket.length > 0 && byNode.length === 0)
    return [ok(check, 'pods with a bucket have a role of their own; the metadata hop limit does not matter to them')];
  if ('unknown' in limits)
    return [
      unknown(
        check,
        `the hop limit of the nodes is not known: ${limits.unknown}`,
        'aws ec2 describe-instances --query "Reservations[].Instances[].MetadataOptions.HttpPutResponseHopLimit" must say 2 where pods use their node’s role; a role for the service account needs none.',
      ),
    ];
  const short = limits.known.filter(({ hops: n }) => n < 2);
  if (short.length === 0) return [ok(check, 'the metadata hop limit lets pods use their node’s role')];
  return short.map(({ name, hops: n }) =>
    warn(
      check,
      `node class ${name} has a metadata hop limit of ${n}: pods cannot use their node's role${byNode[0] === undefined ? '' : ` (${byNode[0].name} needs it for its bucket)`}`,
      'Set metadataOptions.httpPutResponseHopLimit: 2, or give the service account a role (EKS Pod Identity, IRSA). The agent is not concerned: it is on the host network.',
    ),
  );
}
