// Job ids are hashes, so that every replica of the webhook gives the same one (docs/decisions/0009-the-cluster-wire.md).

import { createHash } from 'node:crypto';
import type { JobId } from '../engine/job.ts';
import type { Pod } from '../engine/pod/types.ts';

const ID_SPACE = 36n ** 8n;

/** Of owner uid and completion index for pods of Jobs, over all re-creations; of the request for a bare pod. */
export function jobIdFor(pod: Pod, requestUid: string): JobId {
  const owner = jobOwner(pod);
  return hashed(owner === null ? `pod/${requestUid}` : `job/${owner}/${completionIndex(pod) ?? ''}`);
}

/** The uid of the batch/v1 Job that this pod belongs to. */
export const jobOwner = (pod: Pod): string | null => pod.metadata.ownerReferences?.find(isJob)?.uid ?? null;

export const isJob = (owner: { readonly apiVersion: string; readonly kind: string }): boolean =>
  owner.apiVersion === 'batch/v1' && owner.kind === 'Job';

export const completionIndex = (pod: Pod): string | null => pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'] ?? null;

function hashed(text: string): JobId {
  const number = BigInt(`0x${createHash('sha256').update(text).digest('hex').slice(0, 16)}`) % ID_SPACE;
  return `j-${number.toString(36).padStart(8, '0')}`;
}
