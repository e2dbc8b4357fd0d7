// `nerve wait` against a cluster: the worker's word on the pods, or none of them left.

import type { UserCluster } from '../ports.ts';
import { findJob } from './find-pods.ts';
import { hasEnded, jobOf, type PodJob } from './pod-job.ts';

/** The Job controller may take a while to make the next pod of a moved job; without any for this long, they were deleted. */
const GONE_AFTER_MS = 90_000;
const LOOK_MS = 30_000;

export interface Waited {
  /** `phase` is `gone` when its pods were deleted before anybody said how it ended. */
  readonly job: PodJob;
  /** DESIGN section 7. */
  readonly exit: number;
}

export async function waitForPods(cluster: UserCluster, wanted: string, timeoutMs: number): Promise<Waited> {
  const { job: first, selector } = await findJob(cluster, wanted);
  const untilMs = performance.now() + timeoutMs;
  let last = first;
  let goneSinceMs: number | null = null;
  while (performance.now() < untilMs) {
    const ended = await cluster.until(
      selector,
      (pods) => {
        const job = jobOf(pods);
        if (job === null) {
          goneSinceMs ??= performance.now();
          return null;
        }
        goneSinceMs = null;
        last = job;
        return hasEnded(job.phase) ? job : null;
      },
      Math.min(LOOK_MS, untilMs - performance.now()),
    );
    if (ended !== null) return { job: ended, exit: exitOf(ended) };
    if (goneSinceMs !== null && performance.now() - goneSinceMs >= GONE_AFTER_MS) return { job: { ...last, phase: 'gone' }, exit: 103 };
  }
  return { job: last, exit: 101 };
}

/** @internal */
export function exitOf({ phase, endedAtMs, deadlineMs }: Pick<PodJob, 'phase' | 'endedAtMs' | 'deadlineMs'>): number {
  if (phase === 'failed') return 100;
  if (phase === 'cancelled') return 103;
  return endedAtMs !== null && deadlineMs !== null && endedAtMs > deadlineMs ? 104 : 0;
}
