// The worker's own pods: their beat, and the mark that Nerve leaves.

import { POD } from '../../engine/pod/names.ts';
import type { WorkerBeats } from '../../ports.ts';
import { type Account, refusal } from './account.ts';
import { listPods } from './list-pods.ts';

export interface WorkerPods {
  readonly namespace: string;
  readonly labelSelector: string;
}

export function workerBeats(account: Account, { namespace, labelSelector }: WorkerPods): WorkerBeats {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  return {
    read: async () => {
      const { items } = await listPods(account, path, { labelSelector }, ({ metadata: { uid = '', annotations } }) => ({
        uid,
        beat: annotations?.[POD.beat] ?? null,
        draining: annotations?.[POD.draining] !== undefined,
      }));
      return items;
    },
    markDraining: async () => {
      const { items } = await listPods(account, path, { labelSelector }, ({ metadata }) => metadata.name ?? null);
      for (const name of items) {
        const pod = `${path}/${encodeURIComponent(name)}`;
        const body = { metadata: { annotations: { [POD.draining]: 'true' } } };
        const answer = await account.ask({ method: 'PATCH', path: pod, type: 'application/merge-patch+json', body });
        if (answer.status !== 200 && answer.status !== 404) throw refusal(answer, pod);
      }
    },
  };
}
