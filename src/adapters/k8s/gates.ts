// Gated pods of the whole cluster, and opening a gate, with no more than the rights to list and to patch pods.

import { HOLD_GATE } from '../../engine/pod/names.ts';
import type { Pod } from '../../engine/pod/types.ts';
import type { GatedPod, Gates } from '../../ports.ts';
import { type Account, refusal } from './account.ts';
import { listPods } from './list-pods.ts';

export function gatesOf(account: Account): Gates {
  return {
    // By phase and not by label: a label may have been taken off, and that pod must not wait for ever.
    gated: async () => (await listPods(account, '/api/v1/pods', { fieldSelector: 'status.phase=Pending' }, gatedPod)).items,
    open: async ({ namespace, name, gateIndex }) => {
      const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
      const gate = `/spec/schedulingGates/${gateIndex}`;
      const body = [
        { op: 'test', path: `${gate}/name`, value: HOLD_GATE },
        { op: 'remove', path: gate },
      ];
      const answer = await account.ask({ method: 'PATCH', path, type: 'application/json-patch+json', body });
      if (answer.status === 200 || answer.status === 404) return 'opened';
      // 422: the test failed, so another has opened it or its gates are others now.
      if (answer.status === 409 || answer.status === 422) return 'changed';
      throw refusal(answer, path);
    },
  };
}

function gatedPod({ metadata, spec }: Pod): GatedPod | null {
  const gateIndex = spec.schedulingGates?.findIndex(({ name }) => name === HOLD_GATE) ?? -1;
  if (gateIndex < 0 || metadata.deletionTimestamp !== undefined) return null;
  const { namespace = '', name = '', labels = {}, annotations = {}, creationTimestamp = '' } = metadata;
  return { namespace, name, gateIndex, labels, annotations, createdAtMs: Date.parse(creationTimestamp) };
}
