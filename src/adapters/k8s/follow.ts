// The worker's two readers, pods of the async tier and nodes, over one ledger; and who wants to know what changed. Events are gathered for a
// moment, and a pod that changed only in what Nerve wrote itself wakes nobody.

import { setTimeout as pause } from 'node:timers/promises';
import { NerveError } from '../../engine/errors.ts';
import type { JobId } from '../../engine/job.ts';
import { ASYNC_TIER, JOB_ID_LABEL, POD, TIER_LABEL } from '../../engine/pod/names.ts';
import { observeNode } from '../../engine/pod/node.ts';
import { isGated, jobIdOf, observePod } from '../../engine/pod/observe.ts';
import { annotation } from '../../engine/pod/read.ts';
import type { Node, Pod } from '../../engine/pod/types.ts';
import type { Clock, Log } from '../../ports.ts';
import type { Api } from './api.ts';
import { Ledger } from './ledger.ts';
import { createReader } from './reader.ts';
import { slimNode, slimPod } from './slim.ts';

const GATHER_MS = 50;
const SYNC_LIMIT_MS = 30_000;
/** Versions that the watch never told: it was listed anew meanwhile. */
const OWN_LIMIT = 1000;

export interface Follow {
  readonly ledger: Ledger;
  /** @throws NerveError `unreachable` when nothing could be listed for half a minute. */
  synced(): Promise<void>;
  /** When anything was last heard of pods; real ms. 0: they are being listed anew. */
  heardAtMs(): number;
  /** The worker wrote this pod itself, and has looked at its job: the event that says so wakes nobody. */
  wrote(pod: Pod): void;
  watch(changed: (jobIds: readonly JobId[]) => void, signal: AbortSignal): Promise<void>;
  /** Keeps reading until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export function followCluster(api: Api, clock: Clock, log: Log): Follow {
  const ledger = new Ledger();
  const listeners = new Set<(jobIds: readonly JobId[]) => void>();
  const changed = new Set<JobId>();
  /** Versions of pods that the worker wrote, until the watch tells them; told before the answer came, they wait for it in `changedPods`. */
  const own = new Set<string>();
  const changedPods = new Map<string, JobId>();
  let timer: NodeJS.Timeout | null = null;
  const flush = (): void => {
    timer = null;
    for (const [version, jobId] of changedPods) if (!own.delete(version)) changed.add(jobId);
    changedPods.clear();
    const news = [...changed];
    changed.clear();
    if (news.length > 0) for (const listener of listeners) listener(news);
  };
  const soon = (): void => {
    timer ??= setTimeout(flush, GATHER_MS);
  };
  const tell = (...jobIds: readonly JobId[]): void => {
    for (const jobId of jobIds) changed.add(jobId);
    if (changed.size > 0) soon();
  };

  const pods = createReader<Pod>({
    api,
    path: '/api/v1/pods',
    query: `labelSelector=${encodeURIComponent(`${TIER_LABEL}=${ASYNC_TIER},${JOB_ID_LABEL}`)}`,
    slim: slimPod,
    clock,
    log,
    changed: (pod, before) => {
      ledger.podChanged(pod);
      const jobId = jobIdOf(pod);
      if (jobId === null || (before !== null && print(pod) === print(before))) return;
      changedPods.set(versionOf(pod), jobId);
      soon();
    },
    gone: (last, heard) => {
      ledger.podGone(last, clock.nowMs(), heard);
      const jobId = jobIdOf(last);
      // History is deleted by whoever owns it.
      if (jobId !== null && annotation(last, POD.finished) === null) tell(jobId);
    },
  });
  const nodes = createReader<Node>({
    api,
    path: '/api/v1/nodes',
    query: '',
    slim: slimNode,
    clock,
    log,
    changed: (node, before) => {
      ledger.nodeChanged(node);
      if (before === null || JSON.stringify(observeNode(node)) !== JSON.stringify(observeNode(before)))
        tell(...ledger.jobsOn(node.metadata.name ?? ''));
    },
    gone: (last) => {
      ledger.nodeGone(last);
      tell(...ledger.jobsOn(last.metadata.name ?? ''));
    },
  });

  let isSynced = false;
  const both = Promise.all([pods.synced, nodes.synced]).then(() => {
    isSynced = true;
  });
  return {
    ledger,
    synced: async () => {
      if (isSynced) return;
      const late = new AbortController();
      const limit = pause(SYNC_LIMIT_MS, 'late' as const, { signal: late.signal }).catch(() => 'late' as const);
      const first = await Promise.race([both, limit]);
      late.abort();
      if (first === 'late')
        throw new NerveError('unreachable', 'The cluster could not be listed yet.', { hint: 'Check that the API server answers.' });
    },
    heardAtMs: () => pods.answeredAtMs(),
    wrote: (pod) => {
      own.add(versionOf(pod));
      const [oldest] = own;
      if (own.size > OWN_LIMIT && oldest !== undefined) own.delete(oldest);
    },
    watch: (listener, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        listeners.add(listener);
        signal.addEventListener('abort', () => {
          listeners.delete(listener);
          resolve();
        });
      }),
    run: async (signal) => {
      await Promise.all([pods.run(signal), nodes.run(signal)]);
      if (timer !== null) clearTimeout(timer);
    },
  };
}

const versionOf = ({ metadata }: Pod): string => `${metadata.uid ?? ''} ${metadata.resourceVersion ?? ''}`;

/** What a look would see of this pod. Progress and periodic checkpoints are left out: they are read when a decision needs them. */
function print(pod: Pod): string {
  const seen = observePod(pod, { jobId: '', attempt: 0, node: null, goneAtMs: null });
  const lastCheckpoint = seen.lastCheckpoint?.final === true ? seen.lastCheckpoint : null;
  return JSON.stringify([isGated(pod), { ...seen, progress: null, lastCheckpoint }, annotation(pod, POD.request)]);
}
