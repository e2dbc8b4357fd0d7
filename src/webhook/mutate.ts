// From an AdmissionReview to its answer. Pure, and it never says no: what it cannot read, does not know or fails at goes on as it is
// (DESIGN section 5).

import { ASYNC_TIER, TIER_LABEL } from '../engine/pod/names.ts';
import { adopt, equip, disowned } from './adopt.ts';
import type { AdmissionContext } from './context.ts';
import { mutateJob } from './jobs.ts';
import { whyLeftAlone } from './left-alone.ts';
import { patchOf } from './patch.ts';
import { type AdmissionRequest, podOf, requestOf, untouched, type Verdict } from './review.ts';
import { warningsFor } from './warnings.ts';

export function mutate(body: unknown, context: AdmissionContext): Verdict {
  const request = requestOf(body);
  if (request === null) return untouched('unreadable');
  if (request.kind === 'Job') return mutateJob(request.object);
  return request.kind === 'Pod' ? mutatePod(request, context) : untouched('unreadable');
}

function mutatePod(request: AdmissionRequest, context: AdmissionContext): Verdict {
  const { namespace } = request;
  // A copy of an attempt that was adopted already.
  if (request.username === context.installation.workerAccount) return untouched('own');
  const pod = podOf(request.object);
  if (pod === null) return untouched('unreadable', 'could not read this pod; it goes on as it is.');
  if (pod.metadata.labels?.[TIER_LABEL] !== ASYNC_TIER) return untouched('left');
  const reason = whyLeftAlone(pod, namespace, context);
  if (reason !== null) return { ...untouched('left', reason), patch: patchOf(pod, disowned(pod)) };
  if (context.away) return { ...untouched('away', AWAY), patch: patchOf(pod, equip(pod, request, context)) };
  const adopted = adopt(pod, request, context);
  return { outcome: 'adopted', patch: patchOf(pod, adopted.pod), warnings: warningsFor(pod, namespace, context), jobId: adopted.jobId };
}

const AWAY = 'Nerve does not answer at the moment, so this pod is not held: it starts at once, wherever the scheduler puts it.';
