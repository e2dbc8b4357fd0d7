// What a Node object says, normalised at the edge: zone identity, capacity type, readiness, and Nerve's own marks. Also the
// cluster's dialect: by which labels its nodes tell zone and capacity type, so that pins use the same.

import type { NodeNotice, ObservedNode } from '../snapshot.ts';
import { LABELS, NODE } from './names.ts';
import { annotation, capacityTypeOf, instant, object, rfc3339, text, zoneOf } from './read.ts';
import type { Node } from './types.ts';

const ACTIONS = ['terminate', 'stop', 'hibernate'] as const;
/** `False` is what a living kubelet says itself: what runs there may still be asked to seal, and told to end. */
const HEARD: ReadonlySet<string> = new Set(['True', 'False']);
const UNSCHEDULABLE_TAINT = 'node.kubernetes.io/unschedulable';

/** Others that take pods off a node by themselves; where one is seen, Nerve only checkpoints and restarts. */
const DRAINER_TAINTS = ['aws-node-termination-handler/spot-itn', 'aws-node-termination-handler/rebalance-recommendation', 'karpenter.sh/disrupted'];

export function observeNode(node: Node): ObservedNode {
  const { labels } = node.metadata;
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  return {
    name: node.metadata.name ?? '',
    zone: zoneOf(labels) ?? 'unknown',
    instanceType: labels?.[LABELS.instanceType] ?? 'unknown',
    capacityType: capacityTypeOf(labels),
    ready: ready?.status === 'True',
    silentSinceMs: HEARD.has(ready?.status ?? '') ? null : (instant(ready?.lastTransitionTime) ?? instant(node.metadata.creationTimestamp) ?? 0),
    interruption: noticeOf(node),
    rebalanceAtMs: instant(annotation(node, NODE.rebalance)),
    cordonedBy: cordonedBy(node),
  };
}

function cordonedBy(node: Node): string | null {
  const cordoned = node.spec?.unschedulable === true || node.spec?.taints?.some((taint) => taint.key === UNSCHEDULABLE_TAINT) === true;
  if (!cordoned) return null;
  return annotation(node, NODE.cordonedBy) ?? 'somebody';
}

/** The drainer whose taint is on the node; null when Nerve is alone. */
export function drainerOf(node: Node): string | null {
  return node.spec?.taints?.find((taint) => DRAINER_TAINTS.includes(taint.key))?.key ?? null;
}

function noticeOf(node: Node): NodeNotice | null {
  const value = object(annotation(node, NODE.interruption));
  const action = ACTIONS.find((name) => name === value?.['action']);
  const noticedAtMs = instant(text(value?.['noticedAt']));
  const endsAtMs = instant(text(value?.['endsAt']));
  return action === undefined || noticedAtMs === null || endsAtMs === null ? null : { action, noticedAtMs, endsAtMs };
}

export function noticeText({ action, noticedAtMs, endsAtMs }: NodeNotice): string {
  return JSON.stringify({ action, noticedAt: rfc3339(noticedAtMs), endsAt: rfc3339(endsAtMs) });
}

export type DialectName = 'auto' | 'karpenter' | 'eks' | 'labels';

/** How a pin says it. */
export interface Dialect {
  readonly zoneKey: string;
  readonly capacityKey: string;
  readonly capacityValue: Readonly<Record<'spot' | 'on-demand', readonly string[]>>;
}

/** `auto`: what is seen on nodes, else Karpenter's, which makes nodes only when they are asked for. */
export function dialectOf(wanted: DialectName, nodes: readonly Node[]): Dialect {
  const seen = (label: string): boolean => nodes.some((node) => node.metadata.labels?.[label] !== undefined);
  const zoneKey = seen(LABELS.zoneId) ? LABELS.zoneId : LABELS.zone;
  const name = wanted === 'auto' ? spoken(seen) : wanted;
  switch (name) {
    case 'eks':
      return { zoneKey, capacityKey: LABELS.eksCapacityType, capacityValue: { spot: ['SPOT'], 'on-demand': ['ON_DEMAND'] } };
    case 'labels':
      return { zoneKey, capacityKey: LABELS.capacityType, capacityValue: { spot: ['spot'], 'on-demand': ['on-demand'] } };
    default:
      return { zoneKey, capacityKey: LABELS.karpenterCapacityType, capacityValue: { spot: ['spot'], 'on-demand': ['on-demand', 'reserved'] } };
  }
}

function spoken(seen: (label: string) => boolean): Exclude<DialectName, 'auto'> {
  if (seen(LABELS.karpenterCapacityType)) return 'karpenter';
  if (seen(LABELS.eksCapacityType)) return 'eks';
  return seen(LABELS.capacityType) ? 'labels' : 'karpenter';
}
