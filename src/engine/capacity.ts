// Which capacity a job may have at all, beside price and deadline. Two rules, both for pods of a cluster.
//
// A job that could not be started again after an interruption gets on demand only: a bare pod where Nerve may create none, and a Job whose
// podFailurePolicy does not ignore DisruptionTarget once evacuations have used up all but one of its backoffLimit (one more, and the Job
// controller would fail it for good). A job without a deadline is never worth full price, unless its user said so.

import type { JobState } from './state.ts';

/** On demand, and never made to leave: the next end of a pod may be the last. */
export function onDemandOnly({ spec, attempts }: Pick<JobState, 'spec' | 'attempts'>): boolean {
  if (spec.onDemandOnly === true) return true;
  if (spec.maxEvictions === undefined) return false;
  // Whatever ended a pod but success counts for the Job controller, and what is leaving will have ended.
  const counted = attempts.filter(({ ended, noticed, stopRequested }) =>
    ended === null ? noticed !== null || stopRequested !== null : ended.cause !== 'succeeded',
  );
  return counted.length >= spec.maxEvictions;
}

/** Waits for spot for as long as it takes; a user's release says otherwise. */
export const spotOnly = ({ spec, releaseRequested }: Pick<JobState, 'spec' | 'releaseRequested'>): boolean =>
  spec.spotOnly === true && !releaseRequested;
