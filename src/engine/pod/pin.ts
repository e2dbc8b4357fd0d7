// Where a pod may go, as affinity, and the one patch that lifts its gate. A decision's places are AND-ed into each of the user's
// own required terms: a gated pod may only be tightened. Surprises: a term that contradicts the places is dropped, and if none is left
// the pod is released as its user wrote it, with a warning; where several zones will do (on demand, and pods of Jobs, whose re-creation is
// dear), weights rank them, which the scheduler is free to ignore.

import type { Placement } from '../decision.ts';
import { HOLD_GATE, LABELS, POD } from './names.ts';
import type { Dialect } from './node.ts';
import { type LaunchedAs, launchedAsText } from './read.ts';
import type { Affinity, NodeSelectorTerm, Pod, PodSpec } from './types.ts';

type Requirement = NonNullable<NodeSelectorTerm['matchExpressions']>[number];
type NodeAffinity = NonNullable<Affinity['nodeAffinity']>;

export interface Pinned {
  readonly affinity: Affinity | undefined;
  readonly warning: string | null;
}

/** `wide`: every place of the same capacity type is acceptable, ranked by weight; else the first place alone, or every zone of an on-demand ask. */
export function pin(spec: PodSpec, ranked: readonly Placement[], dialect: Dialect, wide: boolean): Pinned {
  const places = placesOf(ranked, wide);
  const wanted = requirements(places, dialect);
  if (!selectorAllows(spec.nodeSelector, wanted)) return { affinity: spec.affinity, warning: contradiction('its nodeSelector') };
  const own = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const terms = own.length === 0 ? [{ matchExpressions: wanted }] : own.filter((term) => satisfiable(term, wanted)).map((term) => both(term, wanted));
  if (terms.length === 0) return { affinity: spec.affinity, warning: contradiction('its node affinity') };
  const preferred = [...(spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []), ...weights(places, dialect)];
  const nodeAffinity: NodeAffinity = {
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
    ...(preferred.length === 0 ? {} : { preferredDuringSchedulingIgnoredDuringExecution: preferred }),
  };
  return { affinity: { ...spec.affinity, nodeAffinity }, warning: null };
}

const contradiction = (what: string): string => `the place that Nerve chose contradicts ${what}; it starts where its own rules allow`;

function placesOf(ranked: readonly Placement[], wide: boolean): readonly Placement[] {
  const [first] = ranked;
  if (first === undefined) return [];
  const alike = ranked.filter((place) => place.capacityType === first.capacityType);
  return wide || first.capacityType === 'on-demand' ? alike : alike.filter((place) => place.zone === first.zone);
}

function requirements(places: readonly Placement[], dialect: Dialect): readonly Requirement[] {
  const [first] = places;
  if (first === undefined) return [];
  const isIn = (key: string, values: readonly string[]): Requirement => ({ key, operator: 'In', values: unique(values) });
  // Where a spot price is meant for one type, another type is another price.
  const types = unique(places.map((place) => place.instanceType));
  return [
    isIn(
      dialect.zoneKey,
      places.map((place) => place.zone),
    ),
    isIn(dialect.capacityKey, dialect.capacityValue[first.capacityType]),
    ...(types.includes('unknown') ? [] : [isIn(LABELS.instanceType, types)]),
  ];
}

const unique = (values: readonly string[]): readonly string[] => [...new Set(values)];

function weights(places: readonly Placement[], dialect: Dialect): NonNullable<NodeAffinity['preferredDuringSchedulingIgnoredDuringExecution']> {
  const zones = unique(places.map((place) => place.zone));
  if (zones.length < 2) return [];
  return zones.map((zone, index) => ({
    weight: Math.max(1, 100 - index * Math.floor(99 / (zones.length - 1))),
    preference: { matchExpressions: [{ key: dialect.zoneKey, operator: 'In', values: [zone] }] },
  }));
}

function selectorAllows(selector: PodSpec['nodeSelector'], wanted: readonly Requirement[]): boolean {
  return wanted.every(({ key, values }) => selector?.[key] === undefined || (values ?? []).includes(selector[key]));
}

/** Only what can be told without a node: In and NotIn on the same key. */
function satisfiable(term: NodeSelectorTerm, wanted: readonly Requirement[]): boolean {
  return (term.matchExpressions ?? []).every((own) => {
    const places = wanted.find((requirement) => requirement.key === own.key)?.values;
    if (places === undefined) return true;
    if (own.operator === 'DoesNotExist') return false;
    if (own.operator === 'In') return places.some((value) => own.values?.includes(value));
    return own.operator !== 'NotIn' || places.some((value) => !own.values?.includes(value));
  });
}

const both = (term: NodeSelectorTerm, wanted: readonly Requirement[]): NodeSelectorTerm => ({
  ...term,
  matchExpressions: [...(term.matchExpressions ?? []), ...wanted],
});

export interface PatchOp {
  readonly op: 'add' | 'remove' | 'replace' | 'test';
  readonly path: string;
  readonly value?: unknown;
}

/** The key of an annotation in a JSON patch's path. */
const annotationPath = (name: string): string => `/metadata/annotations/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;

export interface Lift {
  /** JSON patch; it fails where somebody else lifted the gate, or wrote on the spec, meanwhile. */
  readonly patch: readonly PatchOp[];
  readonly warning: string | null;
}

/** Affinity and gate in one patch. Null: there is no gate of ours. */
export function pinPatch(pod: Pod, as: LaunchedAs, ranked: readonly Placement[], dialect: Dialect, wide: boolean): Lift | null {
  const index = pod.spec.schedulingGates?.findIndex((gate) => gate.name === HOLD_GATE) ?? -1;
  if (index < 0) return null;
  const { affinity, warning } = pin(pod.spec, ranked, dialect, wide);
  const patch: PatchOp[] = [
    { op: 'test', path: `/spec/schedulingGates/${index}/name`, value: HOLD_GATE },
    ...(affinity === undefined || affinity === pod.spec.affinity ? [] : [{ op: 'add' as const, path: '/spec/affinity', value: affinity }]),
    ...(pod.metadata.annotations === undefined ? [{ op: 'add' as const, path: '/metadata/annotations', value: {} }] : []),
    { op: 'add', path: annotationPath(POD.launchedAs), value: launchedAsText(as) },
    { op: 'add', path: annotationPath(POD.ownAffinity), value: JSON.stringify(pod.spec.affinity ?? null) },
    { op: 'remove', path: `/spec/schedulingGates/${index}` },
  ];
  return { patch, warning };
}
