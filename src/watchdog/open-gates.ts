// Opens gates, those first whose job must start first. Level-triggered: it lists, opens, and lists again until nothing is left or the
// time is up, so a conflict, a pod that goes away and a pod that comes while it works need no care of their own.

import { latestStartMs } from '../engine/pod/asked.ts';
import type { Clock, GatedPod, Gates, Log } from '../ports.ts';

/** The API server's fair queueing would make more wait anyway. */
const AT_ONCE = 16;
const BREATH_MS = 500;

export interface Opened {
  readonly opened: number;
  /** Still gated when the time was up. */
  readonly left: number;
}

export interface Opening {
  readonly gates: Gates;
  readonly clock: Pick<Clock, 'realNowMs' | 'sleep'>;
  readonly log: Log;
  /** Looks until then for gates that were left or have come. */
  readonly untilRealMs: number;
  /** Which pods; all by default. */
  readonly only?: (pod: GatedPod) => boolean;
}

export async function openGates({ gates, clock, log, untilRealMs, only = () => true }: Opening): Promise<Opened> {
  let opened = 0;
  for (;;) {
    const pods = await listed(gates, log);
    const wanted = pods?.filter(only).toSorted(byLatestStart()) ?? null;
    if (wanted?.length === 0) return { opened, left: 0 };
    const done = wanted === null ? 0 : await openAll(wanted, { gates, clock, log, untilRealMs });
    opened += done;
    const left = wanted === null ? 0 : wanted.length - done;
    if (clock.realNowMs() >= untilRealMs) return { opened, left };
    // Looked at again: what is left was refused or changed a moment ago, and more may have come.
    await clock.sleep(BREATH_MS);
  }
}

/** Of each pod it is read once: a list is compared many times. */
function byLatestStart(): (a: GatedPod, b: GatedPod) => number {
  const known = new Map<GatedPod, number>();
  const of = (pod: GatedPod): number => {
    const atMs = known.get(pod) ?? latestStartMs(pod.annotations);
    known.set(pod, atMs);
    return atMs;
  };
  return (a, b) => of(a) - of(b);
}

async function openAll(pods: readonly GatedPod[], { gates, clock, log, untilRealMs }: Opening): Promise<number> {
  let opened = 0;
  const queue = pods.values();
  const one = async (): Promise<void> => {
    for (const pod of queue) {
      if (clock.realNowMs() >= untilRealMs) return;
      try {
        if ((await gates.open(pod)) === 'opened') opened += 1;
      } catch (error) {
        log.warn({ err: error, namespace: pod.namespace, pod: pod.name }, 'a gate did not open; it is tried again');
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return opened;
}

function listed(gates: Gates, log: Log): Promise<readonly GatedPod[] | null> {
  return gates.gated().catch((error: unknown) => {
    log.warn({ err: error }, 'the gated pods cannot be listed; it is tried again');
    return null;
  });
}
