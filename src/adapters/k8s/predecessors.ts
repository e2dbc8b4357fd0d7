// The webhook's watch: adopted pods of Jobs that have not ended, so that a re-created pod is told which attempt still saves. Keeps six
// fields a pod. A watch that breaks begins again with a list; what is remembered meanwhile stays, since an old attempt does no harm.

import type { IncomingMessage } from 'node:http';
import { ASYNC_TIER, HOLD_GATE, JOB_ID_LABEL, POD, TIER_LABEL } from '../../engine/pod/names.ts';
import type { Pod } from '../../engine/pod/types.ts';
import type { Clock, Log, Predecessors } from '../../ports.ts';
import { type Account, refusal } from './account.ts';
import { listPods } from './list-pods.ts';

const PODS = '/api/v1/pods';
const SELECTOR = { labelSelector: `${TIER_LABEL}=${ASYNC_TIER},${JOB_ID_LABEL}` };
const WATCH_SECONDS = 300;
/** Bookmarks come every minute; a watch that is silent for longer is dead. */
const SILENCE_MS = 90_000;
const BREATH_MS = 1000;

interface Known {
  readonly uid: string;
  readonly job: string;
  readonly attempt: number;
  readonly graceMs: number;
  /** Epoch ms; null: nobody has asked it to end. */
  readonly endsAtMs: number | null;
  /** Something of it may run. */
  readonly started: boolean;
}

export interface PredecessorWatch extends Predecessors {
  /** Watches until aborted. `synced` is called after the first list. */
  run(signal: AbortSignal, synced: () => void): Promise<void>;
}

export function predecessorWatch(account: Account, clock: Clock, log: Log): PredecessorWatch {
  let known = new Map<string, Known>();

  const ofJob = (namespace: string, jobId: string): readonly Known[] => [...known.values()].filter(({ job }) => job === `${namespace}/${jobId}`);

  function take(pod: Pod): void {
    const seen = livingPod(pod);
    if (seen === null) known.delete(pod.metadata.uid ?? '');
    else known.set(seen.uid, seen);
  }

  async function follow(version: string, signal: AbortSignal): Promise<void> {
    const search = new URLSearchParams({
      ...SELECTOR,
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(WATCH_SECONDS),
      resourceVersion: version,
    });
    const response = await account.open(`${PODS}?${search.toString()}`, signal);
    if (response.statusCode !== 200) {
      response.resume();
      throw refusal({ status: response.statusCode ?? 0, body: null }, PODS);
    }
    response.socket.setTimeout(SILENCE_MS, () => response.destroy(new Error('silent for too long')));
    for await (const line of lines(response)) {
      const { type, object } = JSON.parse(line) as { readonly type: string; readonly object: Pod };
      if (type === 'ERROR') return;
      if (type === 'DELETED') known.delete(object.metadata.uid ?? '');
      else if (type !== 'BOOKMARK') take(object);
    }
  }

  return {
    of: (namespace, jobId) => {
      const started = ofJob(namespace, jobId).filter((pod) => pod.started);
      const newest = started.toSorted((a, b) => b.attempt - a.attempt)[0];
      return newest === undefined ? null : { attempt: newest.attempt, endsAtMs: newest.endsAtMs ?? clock.realNowMs() + newest.graceMs };
    },
    sibling: (namespace, jobId) => ofJob(namespace, jobId).some(({ endsAtMs }) => endsAtMs === null),
    run: async (signal, synced) => {
      while (!signal.aborted) {
        try {
          const { items, version } = await listPods(account, PODS, SELECTOR, livingPod);
          known = new Map(items.map((pod) => [pod.uid, pod]));
          synced();
          await follow(version, signal);
        } catch (error) {
          if (!signal.aborted) log.warn({ err: error }, 'the watch of pods broke; it begins again');
        }
        await clock.sleep(BREATH_MS, signal);
      }
    },
  };
}

/** Null: no attempt of a Job's, or ended. */
function livingPod({ metadata, spec, status }: Pod): Known | null {
  const attempt = Number(metadata.annotations?.[POD.attempt]);
  const jobId = metadata.labels?.[JOB_ID_LABEL];
  const ofJob = metadata.ownerReferences?.some(({ kind }) => kind === 'Job') ?? false;
  if (!ofJob || jobId === undefined || !Number.isSafeInteger(attempt) || attempt < 1) return null;
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return null;
  const endsAtMs = metadata.deletionTimestamp === undefined ? null : Date.parse(metadata.deletionTimestamp);
  return {
    uid: metadata.uid ?? '',
    job: `${metadata.namespace ?? ''}/${jobId}`,
    attempt,
    graceMs: (spec.terminationGracePeriodSeconds ?? 30) * 1000,
    endsAtMs,
    started: Boolean(spec.nodeName) && !(spec.schedulingGates?.some(({ name }) => name === HOLD_GATE) ?? false),
  };
}

async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    yield* parts.filter((line) => line !== '');
  }
}
