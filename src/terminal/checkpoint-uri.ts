// Where a job's checkpoints are: what was typed, what its record says, or what its pod was given.

import { NerveError } from '../engine/errors.ts';
import { ENV, POD } from '../engine/pod/names.ts';
import type { Pod } from '../engine/pod/types.ts';
import type { TargetFlags } from '../wire.ts';

export interface Place {
  readonly uri: string;
  /** Which target was asked; null when a URI was typed. */
  readonly label: string | null;
}

export async function checkpointUriOf(wanted: string, flags: TargetFlags): Promise<Place> {
  if (/^(s3|file):\/\//.test(wanted)) {
    const { checkpointUri } = await import('../intake/spec.ts');
    return { uri: checkpointUri(wanted), label: null };
  }
  const { withTarget } = await import('./with-target.ts');
  return withTarget<Place>(flags, {
    local: async ({ queue, label }) => {
      const { readJob } = await import('../intake/request.ts');
      return { uri: (await readJob(queue.records, wanted)).state.spec.checkpointUri, label };
    },
    cluster: async ({ cluster, label }) => {
      const { findJob } = await import('./find-pods.ts');
      const { selector, job } = await findJob(cluster, wanted);
      const uri = (await cluster.pods(selector)).map(uriOn).find((text) => text !== null) ?? null;
      if (uri === null)
        throw new NerveError('not-found', `Job ${job.jobId} has no place for checkpoints.`, {
          hint: 'Submit with --checkpoint-uri s3://bucket/prefix.',
        });
      if (uri.startsWith('file:'))
        throw new NerveError('refused', `The checkpoints of job ${job.jobId} are in a folder of its pod (${uri}), which cannot be seen from here.`, {
          hint: 'A bucket can: --checkpoint-uri s3://bucket/prefix.',
        });
      return { uri, label };
    },
  });
}

/** What its process was told wins over what was asked: the webhook may have completed it. */
function uriOn(pod: Pod): string | null {
  const env = pod.spec.containers.flatMap((container) => container.env ?? []).find(({ name }) => name === ENV.checkpointUri);
  return env?.value ?? pod.metadata.annotations?.[POD.checkpointUri] ?? null;
}
