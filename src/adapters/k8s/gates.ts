// Gated pods of the whole cluster, and opening a gate, with no more than the rights to list and to patch pods.

import { NerveError } from '../../engine/errors.ts';
import { HOLD_GATE } from '../../engine/pod/names.ts';
import type { Pod } from '../../engine/pod/types.ts';
import type { GatedPod, Gates } from '../../ports.ts';
import type { Api } from './api.ts';
import { listPods } from './list-pods.ts';

export function gatesOf(api: Api): Gates {
  return {
    // By phase and not by label: a label may have been taken off, and that pod must not wait for ever.
    gated: () => listPods(api, '/api/v1/pods', { fieldSelector: 'status.phase=Pending' }, gatedPod),
    open: async ({ namespace, name, gateIndex }) => {
      const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
      const gate = `/spec/schedulingGates/${gateIndex}`;
      const body = [
        { op: 'test', path: `${gate}/name`, value: HOLD_GATE },
        { op: 'remove', path: gate },
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
    },
  };
}

function gatedPod({ metadata, spec }: Pod): GatedPod | null {
  const gateIndex = spec.schedulingGates?.findIndex(({ name }) => name === HOLD_GATE) ?? -1;
  if (gateIndex < 0 || metadata.deletionTimestamp !== undefined) return null;
  const { namespace = '', name = '', labels = {}, annotations = {}, creationTimestamp = '' } = metadata;
  return { namespace, name, gateIndex, labels, annotations, createdAtMs: Date.parse(creationTimestamp) };
}
