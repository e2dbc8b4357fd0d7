// Gates and beats of a cluster in memory, on a clock that only moves when somebody sleeps.

import type { WorkerBeat } from '../../../src/engine/pod/beat.ts';
import type { Clock, GatedPod, Gates, WorkerBeats } from '../../../src/ports.ts';

export interface MemoryCluster {
  readonly clock: Clock;
  readonly gates: Gates;
  readonly beats: WorkerBeats;
  readonly held: Map<string, GatedPod>;
  /** Names in the order in which their gates were opened. */
  readonly opened: string[];
  /** Elapsed. */
  nowMs(): number;
}

export interface Behaviour {
  /** The worker pods at that time; throws like a cluster that does not answer. */
  readonly workers: (nowMs: number) => readonly WorkerBeat[];
  /** Called before each opening: throws, or answers `changed`. */
  readonly opening?: (pod: GatedPod, call: number) => 'changed' | 'open';
  /** Pods that come while it works, after each list. */
  readonly arriving?: (list: number) => readonly GatedPod[];
  readonly listing?: (list: number) => void;
}

export const gated = (name: string, annotations: Readonly<Record<string, string>> = { 'nerve.io/webhook': '0.1.0' }, createdAtMs = 0): GatedPod => ({
  namespace: 'default',
  name,
  gateIndex: 0,
  createdAtMs,
  jobId: `j-${name}`,
  annotations,
});

export function memoryCluster(pods: readonly GatedPod[], behaviour: Behaviour): MemoryCluster & { draining: boolean; mostAtOnce: number } {
  let nowMs = 0;
  let calls = 0;
  let lists = 0;
  let running = 0;
  const held = new Map(pods.map((pod) => [pod.name, pod]));
  const opened: string[] = [];
  const cluster = {
    held,
    opened,
    draining: false,
    /** The most openings that ran at once. */
    mostAtOnce: 0,
    nowMs: () => nowMs,
    clock: {
      speed: 1,
      nowMs: () => nowMs,
      realNowMs: () => nowMs,
      sleep: async (ms: number) => {
        nowMs += ms;
      },
    },
    gates: {
      gated: async () => {
        lists += 1;
        behaviour.listing?.(lists);
        const now = [...held.values()];
        for (const pod of behaviour.arriving?.(lists) ?? []) held.set(pod.name, pod);
        return now;
      },
      open: async (pod: GatedPod) => {
        cluster.mostAtOnce = Math.max(cluster.mostAtOnce, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        if (behaviour.opening?.(pod, ++calls) === 'changed') return 'changed' as const;
        if (held.delete(pod.name)) opened.push(pod.name);
        return 'opened' as const;
      },
    },
    beats: {
      read: async () => behaviour.workers(nowMs).map((pod) => (cluster.draining ? { ...pod, draining: true } : pod)),
      markDraining: async () => {
        cluster.draining = true;
      },
    },
  };
  return cluster;
}
