// The Arrivals port: which jobs stand on pods now, and what is written back on them.

import { NerveError } from '../../engine/errors.ts';
import type { JobId } from '../../engine/job.ts';
import { POD } from '../../engine/pod/names.ts';
import { isGated } from '../../engine/pod/observe.ts';
import { annotation, rfc3339 } from '../../engine/pod/read.ts';
import type { Pod } from '../../engine/pod/types.ts';
import type { Arrival, Arrivals, Clock } from '../../ports.ts';
import type { Api } from './api.ts';
import type { Follow } from './follow.ts';
import { gatedPod, openGate } from './gates.ts';

/** A busy cluster changes all the time; what comes within this is one answer. */
const GATHER_REAL_MS = 200;
/** Longer than a watch may be silent before it is made again (reader.ts), and than a list of a busy API server takes. */
const DEAF_AFTER_MS = 180_000;

export function kubernetesArrivals(api: Api, follow: Follow, clock: Clock): Arrivals {
  const { ledger } = follow;
  const newest = (jobId: JobId): Pod | null => ledger.podsOf(jobId).at(-1) ?? null;
  const path = ({ metadata }: Pod): string => `/api/v1/namespaces/${metadata.namespace ?? ''}/pods/${metadata.name ?? ''}`;
  const notFound = (error: unknown): null => {
    if (error instanceof NerveError && error.kind === 'not-found') return null;
    throw error;
  };
  let heardAtMs = clock.realNowMs();
  /** The pods may be others by now: a worker that does not hear of new ones must not say that all is well. */
  const mustHear = (): void => {
    const nowMs = clock.realNowMs();
    heardAtMs = Math.min(nowMs, Math.max(heardAtMs, follow.heardAtMs()));
    if (nowMs - heardAtMs > DEAF_AFTER_MS)
      throw new NerveError('unreachable', `Nothing was heard of the cluster's pods for ${Math.round((nowMs - heardAtMs) / 1000)} s.`);
  };
  let news = new Set<JobId>();
  let heard: (() => void) | null = null;
  let listening = false;
  const listen = (signal: AbortSignal): void => {
    if (listening) return;
    listening = true;
    void follow.watch((jobIds) => {
      for (const jobId of jobIds) news.add(jobId);
      heard?.();
    }, signal);
  };
  return {
    jobs: async (only) => {
      await follow.synced();
      mustHear();
      return [...(only ?? ledger.jobs())].flatMap((jobId): Arrival[] => {
        const pods = ledger.podsOf(jobId);
        const pod = pods.at(-1);
        // `finished` comes with the end of a job; a held pod that a cancelled Job made anew has it not, and is told by its record.
        if (pod === undefined || annotation(pod, POD.finished) !== null) return [];
        return [{ jobId, pod, gated: pods.every(isGated) }];
      });
    },
    whole: async (jobId) => {
      const pod = newest(jobId);
      return pod === null ? null : api.call<Pod>({ path: path(pod) }).catch(notFound);
    },
    annotate: async (jobId, annotations) => {
      const pod = newest(jobId);
      if (pod === null) return;
      const changed = Object.entries(annotations).filter(([name, value]) => annotation(pod, name) !== value);
      if (changed.length === 0) return;
      const body = { metadata: { annotations: Object.fromEntries(changed) } };
      await api.call({ method: 'PATCH', path: path(pod), type: 'application/merge-patch+json', body }).catch(notFound);
    },
    open: async (jobId, annotations) => {
      const gate = gatedPod(newest(jobId));
      // One that others opened or changed meanwhile is looked at again when the watch has told of it.
      if (gate !== null) await openGate(api, gate, { ...annotations, [POD.finished]: rfc3339(clock.nowMs()) });
    },
    next: async (withinRealMs, signal) => {
      listen(signal);
      if (news.size === 0) {
        const arrived = new AbortController();
        heard = () => arrived.abort();
        await clock.sleep(withinRealMs, AbortSignal.any([arrived.signal, signal]));
        heard = null;
      }
      if (news.size > 0) await clock.sleep(GATHER_REAL_MS, signal);
      const all = news;
      news = new Set();
      return all;
    },
  };
}
