// What a worker's watch told last: every change a moment later, some only when the pods are listed anew. A look that believes it must never
// harm a job; that is what the simulation tries.

import type { JobId } from '../../../src/engine/job.ts';
import type { ObservedAttempt } from '../../../src/engine/snapshot.ts';
import type { Cluster } from '../../../src/ports.ts';
import type { Random } from './random.ts';
import type { SimTime } from './time.ts';

/** A silent watch is not believed for longer (HEARD_MS of adapters/k8s/cluster.ts). */
const SILENT_MS = 10_000;

export interface LaggingOptions {
  readonly time: SimTime;
  readonly random: Random;
  readonly lost: number;
  readonly twice: number;
  readonly attempts: () => readonly ObservedAttempt[];
}

export interface LaggingWatch {
  readonly attemptsOf: Cluster['attemptsOf'];
  /** The cluster changed: `wake` is called when, and if, this worker hears of it. */
  changed(jobIds: readonly JobId[], wake: () => void): void;
}

export function laggingWatch({ time, random, lost, twice, attempts }: LaggingOptions, fresh: Cluster['attemptsOf']): LaggingWatch {
  const ofJob = (jobId: JobId): readonly ObservedAttempt[] => structuredClone(attempts().filter((a) => a.jobId === jobId));
  const told = new Map<JobId, { readonly sentAtMs: number; readonly attempts: readonly ObservedAttempt[] }>();
  for (const { jobId } of attempts()) told.set(jobId, { sentAtMs: time.nowMs(), attempts: ofJob(jobId) });
  const tell = (jobIds: readonly JobId[], afterMs: number, wake: () => void): void => {
    const sentAtMs = time.nowMs();
    // At the end of this moment: what changes at once is told as one.
    time.at(sentAtMs, () => {
      const sent = jobIds.map((jobId) => [jobId, { sentAtMs, attempts: ofJob(jobId) }] as const);
      time.at(sentAtMs + afterMs, () => {
        // Changes come late, but in order.
        for (const [jobId, news] of sent) if ((told.get(jobId)?.sentAtMs ?? 0) <= sentAtMs) told.set(jobId, news);
        wake();
      });
    });
  };
  return {
    changed: (jobIds, wake) => {
      if (random.chance(lost)) return tell(jobIds, SILENT_MS, () => undefined);
      for (let i = random.chance(twice) ? 2 : 1; i > 0; i--) tell(jobIds, random.between(10, 2000), wake);
    },
    attemptsOf: async (jobId, within, open) => {
      const known = told.get(jobId)?.attempts ?? [];
      const shows = open?.every((attempt) => known.some((a) => a.attempt === attempt)) ?? false;
      return shows ? structuredClone(known) : fresh(jobId, within);
    },
  };
}
