// What of a Job matters to the doctor: the rule is the webhook's.

import { movesOfJob } from '../engine/pod/job-failures.ts';
import { ASYNC_TIER, POD, TIER_LABEL } from '../engine/pod/names.ts';
import type { ObjectMeta } from '../engine/pod/types.ts';
import type { JobLook } from './facts.ts';

export interface RawJob {
  readonly metadata: ObjectMeta;
  readonly spec: Readonly<Record<string, unknown>> & { readonly template: { readonly metadata?: ObjectMeta } };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Its pods are Nerve's, and there may be more of them. */
export const isNerves = ({ spec, status }: RawJob): boolean =>
  spec.template.metadata?.labels?.[TIER_LABEL] === ASYNC_TIER &&
  spec.template.metadata.annotations?.[POD.leave] === undefined &&
  !(status?.conditions ?? []).some(({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True');

export const lookAtJob = ({ metadata, spec }: RawJob): JobLook => ({
  name: metadata.name ?? metadata.generateName ?? 'the Job',
  moves: movesOfJob(spec),
});
