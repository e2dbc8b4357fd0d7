// A job of a cluster by what a person has at hand: its id, or the name of its Job or pod.

import { NerveError } from '../engine/errors.ts';
import { ASYNC_TIER, JOB_ID_LABEL, TIER_LABEL } from '../engine/pod/names.ts';
import type { UserCluster } from '../ports.ts';
import { jobOf, type PodJob } from './pod-job.ts';

export const ALL_JOBS = `${TIER_LABEL}=${ASYNC_TIER},${JOB_ID_LABEL}`;

export interface Found {
  readonly job: PodJob;
  /** Label selector of all pods of the job, also of those to come. */
  readonly selector: string;
}

/** @throws NerveError `not-found` (exit 102). */
export async function findJob(cluster: UserCluster, wanted: string): Promise<Found> {
  const id = (await idFor(cluster, wanted)) ?? wanted;
  const selector = `${JOB_ID_LABEL}=${id}`;
  const job = jobOf(await cluster.pods(selector));
  if (job !== null) return { job, selector };
  throw new NerveError('not-found', `There is no job ${wanted} in namespace "${cluster.namespace}" of context "${cluster.context}".`, {
    hint: '"nerve list" shows those there are; one that ended has a report ("nerve report") but perhaps no pod.',
    fields: { jobId: wanted, namespace: cluster.namespace, context: cluster.context },
  });
}

/** The id behind a name; null when it is no name of a pod or Job of Nerve's (then it is an id). */
async function idFor(cluster: UserCluster, wanted: string): Promise<string | null> {
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(wanted))
    throw new NerveError('usage', `"${wanted}" is no id and no name.`, { hint: 'Take one from "nerve list".' });
  if (/^j-[a-z0-9]+$/.test(wanted)) return null;
  const pods = await cluster.pods(ALL_JOBS);
  const mine = pods.find(({ metadata: { name, labels } }) => name === wanted || labels?.['batch.kubernetes.io/job-name'] === wanted);
  return mine?.metadata.labels?.[JOB_ID_LABEL] ?? null;
}
