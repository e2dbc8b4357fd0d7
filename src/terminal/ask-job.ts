// What a user asks of a job that exists, wherever it is. On this machine: an event in its record. In a cluster: an annotation on its newest
// pod, with the user's own rights, which the worker takes once and then says so.

import { randomBytes } from 'node:crypto';
import { NerveError } from '../engine/errors.ts';
import { POD } from '../engine/pod/names.ts';
import type { JobEvent } from '../engine/record.ts';
import { shown } from '../engine/shown.ts';
import type { JobState } from '../engine/state.ts';
import type { TargetFlags } from '../wire.ts';
import type { ClusterSession } from '../wire-user.ts';
import { hasEnded } from './pod-job.ts';
import { withTarget } from './with-target.ts';

export interface Asked {
  readonly target: 'local' | 'cluster';
  readonly label: string;
  readonly phaseBefore: string;
}

export type LocalEvent = (state: JobState, nowMs: number) => JobEvent | null;

export async function askJob(flags: TargetFlags, job: string, ask: 'cancel' | 'pause' | 'resume' | 'release', event: LocalEvent): Promise<Asked> {
  return withTarget<Asked>(flags, {
    local: async ({ queue, cloud, clock, settings, label }) => {
      const { request } = await import('../intake/request.ts');
      const before = await request(queue.records, queue.alarms, job, (state) => event(state, clock.nowMs()));
      const seen = before.phase === 'starting' ? await cloud.attempts({ jobId: job }).catch(() => []) : [];
      return { target: 'local', label, phaseBefore: shown(before, seen, settings, clock.nowMs()).phase };
    },
    cluster: async (session) => ({ target: 'cluster', label: session.label, phaseBefore: await askPod(session, job, ask) }),
  });
}

/**
 * Writes the ask and waits until the worker has taken it. Answers the phase before.
 * @throws NerveError `refused` when the job has ended, `unreachable` when nobody takes it: it stands then, and is taken when Nerve is back.
 */
export async function askPod({ cluster, answerTimeoutMs }: ClusterSession, wanted: string, ask: string): Promise<string> {
  const { findJob } = await import('./find-pods.ts');
  const { job, selector } = await findJob(cluster, wanted);
  if (hasEnded(job.phase)) throw ended(job.jobId, job.phase);
  const nonce = randomBytes(6).toString('hex');
  const request = `${ask}#${nonce}`;
  await cluster.annotate(job.pod, { [POD.request]: request });
  const seen = await cluster.until(
    selector,
    (pods) => {
      const values = pods.map((pod) => pod.metadata.annotations?.[POD.requestSeen]);
      // A cancelled job's pods may be gone before anybody reads them.
      return pods.length === 0 || values.includes(request) || values.includes(nonce) ? true : null;
    },
    answerTimeoutMs,
  );
  if (seen !== null) return job.phase;
  throw new NerveError(
    'unreachable',
    `Nerve has not taken this within ${answerTimeoutMs / 1000} s. It stands on the pod and is taken when Nerve is back.`,
    {
      hint: `See what is wrong with: nerve doctor --context ${cluster.context} -n ${cluster.namespace}`,
      fields: { jobId: job.jobId, pod: job.pod, ask },
    },
  );
}

const ended = (jobId: string, phase: string): NerveError =>
  new NerveError('refused', `Job ${jobId} has ${phase === 'cancelled' ? 'been cancelled' : phase} already.`, {
    hint: '"nerve status" shows how it went.',
    fields: { jobId },
  });
