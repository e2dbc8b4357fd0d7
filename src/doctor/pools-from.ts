// Nodes and Karpenter's node pools as pools: which zones, spot or on demand, which taints, how much room. Nodes of one zone, kind and set of
// taints are one pool.

import { LABELS } from '../engine/pod/names.ts';
import type { Node } from '../engine/pod/types.ts';
import type { Pool } from './facts.ts';
import { amount } from './look-at-pod.ts';

export type RawNode = Node;

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

export interface RawNodePool {
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly limits?: Readonly<Record<string, string | number>>;
    readonly template?: {
      readonly spec?: {
        readonly requirements?: readonly Requirement[];
        readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
      };
    };
  };
  readonly status?: { readonly resources?: Readonly<Record<string, string>> };
}

const EKS_GROUP = 'eks.amazonaws.com/nodegroup';

/** What the cluster itself puts on a node for a while. */
const PASSING = /^node\.(kubernetes|cloudprovider\.kubernetes)\.io\//;

export function poolsFrom(nodes: readonly RawNode[], karpenter: readonly RawNodePool[]): readonly Pool[] {
  const groups = Map.groupBy(nodes, ({ metadata, spec }) =>
    JSON.stringify([
      zoneOf(metadata.labels),
      typeOf(metadata.labels),
      metadata.labels?.[EKS_GROUP] ?? '',
      lasting(spec?.taints).map(({ key, value, effect }) => [key, value, effect]),
    ]),
  );
  return [
    ...[...groups.values()].flatMap((group) => (group[0] === undefined ? [] : [nodePool(group[0], group.length)])),
    ...karpenter.map(karpenterPool),
  ];
}

function nodePool({ metadata, spec }: RawNode, count: number): Pool {
  const zone = zoneOf(metadata.labels);
  const type = typeOf(metadata.labels);
  const group = metadata.labels?.[EKS_GROUP];
  return {
    name: group ?? `${count} ${type} nodes in ${zone ?? 'no zone'}`,
    from: 'nodes',
    zones: zone === null ? [] : [zone],
    capacityTypes: [type],
    taints: lasting(spec?.taints).map(({ key, value, effect }) => ({ key, value: value ?? null, effect })),
    // A full node is no fault: the autoscaler or the end of another pod makes room.
    left: {},
    eksSpotGroup: group !== undefined && type === 'spot',
  };
}

function karpenterPool({ metadata, spec, status }: RawNodePool): Pool {
  const requirements = spec?.template?.spec?.requirements ?? [];
  const of = (key: string): readonly string[] | null => requirements.find((r) => r.key === key && r.operator === 'In')?.values ?? null;
  const types = of(LABELS.karpenterCapacityType)?.map((value) => (value === 'spot' ? 'spot' : 'on-demand')) ?? (['on-demand'] as const);
  return {
    name: metadata.name,
    from: 'karpenter',
    zones: of(LABELS.zoneId) ?? of(LABELS.zone),
    capacityTypes: [...new Set(types)],
    taints: (spec?.template?.spec?.taints ?? []).map(({ key, value, effect }) => ({ key, value: value ?? null, effect })),
    left: Object.fromEntries(
      Object.entries(spec?.limits ?? {}).map(([resource, limit]) => [resource, amount(String(limit)) - amount(status?.resources?.[resource] ?? '0')]),
    ),
    eksSpotGroup: false,
  };
}

type Labels = Readonly<Record<string, string>> | undefined;
type Taints = NonNullable<RawNode['spec']>['taints'];

/** By name: users know those, and node pools speak of them. */
const zoneOf = (labels: Labels): string | null => labels?.[LABELS.zone] ?? labels?.[LABELS.zoneId] ?? null;

const typeOf = (labels: Labels): 'spot' | 'on-demand' =>
  (labels?.[LABELS.karpenterCapacityType] ?? labels?.[LABELS.eksCapacityType] ?? labels?.['nerve.io/capacity-type'] ?? '').toLowerCase() === 'spot'
    ? 'spot'
    : 'on-demand';

const lasting = (taints: Taints): NonNullable<Taints> => (taints ?? []).filter(({ key }) => !PASSING.test(key));
