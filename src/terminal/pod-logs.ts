// Output of a job's pods, one after the other; with `follow` the next pod's after this one's, until the job ends.

import { NerveError } from '../engine/errors.ts';
import type { UserCluster } from '../ports.ts';
import { count } from './figures.ts';
import { findJob } from './find-pods.ts';
import type { FollowOptions } from './follow.ts';
import { hasEnded, jobOf, type PodAttempt } from './pod-job.ts';

const NEXT_POD_TIMEOUT_MS = 30_000;

export async function podLogs(
  cluster: UserCluster,
  wanted: string,
  { follow, attempt }: FollowOptions,
  print: (text: string) => void,
  say: (note: string) => void,
): Promise<void> {
  const { job, selector } = await findJob(cluster, wanted);
  if (attempt !== null && job.attempts[attempt - 1] === undefined)
    throw new NerveError('not-found', `Job ${job.jobId} has ${count(job.attempts.length, 'pod')} left, none with number ${attempt}.`);
  const printed = new Set<string>();
  const chosen = (all: readonly PodAttempt[]): readonly PodAttempt[] => all.filter((a, n) => hasOutput(a) && (attempt === null || n === attempt - 1));
  if (chosen(job.attempts).length === 0 && !follow) say('It has not started yet: there is no output.');
  for (const { pod } of chosen(job.attempts)) {
    printed.add(pod);
    await cluster.logs(pod, { follow: follow && pod === job.attempts.at(-1)?.pod }, print);
  }
  while (follow && attempt === null) {
    const next = await cluster.until(
      selector,
      (pods) => {
        const now = jobOf(pods);
        if (now === null || hasEnded(now.phase)) return 'end' as const;
        return now.attempts.find((a) => hasOutput(a) && !printed.has(a.pod)) ?? null;
      },
      NEXT_POD_TIMEOUT_MS,
    );
    if (next === 'end') return;
    if (next === null) continue;
    printed.add(next.pod);
    await cluster.logs(next.pod, { follow: true }, print);
  }
}

/** A pod that waits for its node or its image answers with an error. */
const hasOutput = ({ phase, node }: PodAttempt): boolean => phase !== 'Pending' && node !== null;
