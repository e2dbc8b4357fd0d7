// Gated pods of the whole cluster, and opening a gate, with no more than the rights to list and to patch pods.

import { NerveError } from '../../engine/errors.ts';
import { ASYNC_TIER, HOLD_GATE, TIER_LABEL } from '../../engine/pod/names.ts';
import { claimedJobId } from '../../engine/pod/observe.ts';
import type { Pod } from '../../engine/pod/types.ts';
import type { GatedPod, Gates } from '../../ports.ts';
import type { Api } from './api.ts';
import { listPods } from './list-pods.ts';

export function gatesOf(api: Api): Gates {
  return {
    // By phase and not by label: a label may have been taken off, and that pod must not wait for ever.
    gated: () => listPods(api, '/api/v1/pods', { fieldSelector: 'status.phase=Pending' }, gatedPod),
    open: (pod) => openGate(api, pod),
  };
}

/** `annotations` are written with it, on a pod that has some; null says nothing. */
export async function openGate(
  api: Api,
  { namespace, name, gateIndex }: GatedPod,
  annotations: Readonly<Record<string, string | null>> = {},
): Promise<'opened' | 'changed'> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
  const gate = `/spec/schedulingGates/${gateIndex}`;
  const body = [
    { op: 'test', path: `${gate}/name`, value: HOLD_GATE },
    { op: 'remove', path: gate },
    ...Object.entries(annotations).flatMap(([name, value]) =>
      value === null ? [] : [{ op: 'add', path: `/metadata/annotations/${name.replaceAll('/', '~1')}`, value }],
    ),
  ];
  try {
    await api.call({ method: 'PATCH', path, type: 'application/json-patch+json', body });
    return 'opened';
  } catch (error) {
    if (!(error instanceof NerveError)) throw error;
    if (error.kind === 'not-found') return 'opened';
    // Also a test that failed: another has opened it, or its gates are others now.
    if (error.kind === 'conflict') return 'changed';
    throw error;
  }
}

/** Null: it has no gate of ours, or goes. */
export function gatedPod(pod: Pod | null): GatedPod | null {
  if (pod === null) return null;
  const { metadata, spec } = pod;
  const gateIndex = spec.schedulingGates?.findIndex(({ name }) => name === HOLD_GATE) ?? -1;
  if (gateIndex < 0 || metadata.deletionTimestamp !== undefined) return null;
  const { namespace = '', name = '', labels = {}, annotations = {}, creationTimestamp = '' } = metadata;
  const jobId = labels[TIER_LABEL] === ASYNC_TIER ? claimedJobId(pod) : null;
  return { namespace, name, gateIndex, jobId, annotations, createdAtMs: Date.parse(creationTimestamp) };
}
