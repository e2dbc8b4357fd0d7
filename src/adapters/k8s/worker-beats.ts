// The worker's own pods: their beat, and the mark that Nerve leaves.

import { NerveError } from '../../engine/errors.ts';
import { POD } from '../../engine/pod/names.ts';
import type { WorkerBeats } from '../../ports.ts';
import type { Api } from './api.ts';
import { listPods } from './list-pods.ts';

export interface WorkerPods {
  readonly namespace: string;
  readonly labelSelector: string;
}

export function workerBeats(api: Api, { namespace, labelSelector }: WorkerPods): WorkerBeats {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  return {
    read: () =>
      listPods(api, path, { labelSelector }, ({ metadata: { uid = '', annotations } }) => ({
        uid,
        beat: annotations?.[POD.beat] ?? null,
        draining: annotations?.[POD.draining] !== undefined,
      })),
    markDraining: async () => {
      const names = await listPods(api, path, { labelSelector }, ({ metadata }) => metadata.name ?? null);
      const body = { metadata: { annotations: { [POD.draining]: 'true' } } };
      for (const name of names) {
        const ask = { method: 'PATCH', path: `${path}/${encodeURIComponent(name)}`, type: 'application/merge-patch+json', body } as const;
        await api.call(ask).catch((error: unknown) => {
          if (!(error instanceof NerveError && error.kind === 'not-found')) throw error;
        });
      }
    },
  };
}
