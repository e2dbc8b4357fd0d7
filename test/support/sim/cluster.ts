// The cluster in memory: attempt objects, the nodes they get, and the cloud that takes nodes back. Every port method takes effect
// at once; faults are put around it (faults.ts). What is true (who computes, what is billed) is kept beside what the objects show.

import { NerveError } from '../../../src/engine/errors.ts';
import type { JobId } from '../../../src/engine/job.ts';
import { pendingAttempt } from '../../../src/engine/pending.ts';
import type { NodeNotice, ObservedAttempt, ObservedNode } from '../../../src/engine/snapshot.ts';
import type { AttemptAnnotations, Cluster, HostedAttempt, InstanceMetadata, LaunchAsk, NodeHost } from '../../../src/ports.ts';
import type { CloudPlan } from './cloud-plan.ts';
import type { SimMarket } from './market.ts';
import type { Random } from './random.ts';
import { type SealLog, sealLog } from './seals.ts';
import type { SimTime } from './time.ts';
import { startTraining, type Training, type TrainingPlan } from './training.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface SimNode {
  readonly name: string;
  object: ObservedNode;
  /** What instance metadata says. */
  notice: { readonly action: NodeNotice['action']; readonly endsAtMs: number } | null;
  rebalanceAtMs: number | null;
  gone: boolean;
}

interface Pod {
  readonly name: string;
  readonly ask: LaunchAsk;
  readonly seen: Mutable<ObservedAttempt>;
  node: SimNode | null;
  training: Training | null;
  /** Why the record may not show exactly what was billed: the object went with its node. */
  objectLost: boolean;
  /** It stopped existing, whatever its object still shows. */
  dead: boolean;
}

/** What ran, as the cloud would bill it. */
export interface Billed {
  readonly name: string;
  readonly jobId: JobId;
  readonly fromMs: number;
  readonly toMs: number;
  readonly zone: string;
  readonly capacityType: ObservedAttempt['capacityType'];
  readonly objectLost: boolean;
}

/** What one job's processes do. */
export interface JobNature {
  readonly workMs: number;
  readonly checkpointMs: number;
  /** Attempts (by number) that fail by themselves after computing this long. */
  readonly failures: ReadonlyMap<number, number>;
  readonly boundaryMs: number;
  readonly hookless: boolean;
}

export const plainNature = (workMs: number): JobNature => ({ workMs, checkpointMs: 2000, failures: new Map(), boundaryMs: 0, hookless: false });

export interface ClusterEvents {
  nodeUp(node: SimNode): void;
  nodeDown(node: SimNode): void;
  changed(jobIds: readonly JobId[]): void;
  twiceAtOnce(jobId: JobId, names: readonly string[]): void;
}

export interface SimCluster {
  readonly port: Omit<Cluster, 'watch'>;
  readonly billed: readonly Billed[];
  natures: Map<JobId, JobNature>;
  seals(jobId: JobId): SealLog;
  /** When the job's work was truly complete; null if it never was. */
  completedAtMs(jobId: JobId): number | null;
  /** Times that the job's own process failed. */
  ownFailures(jobId: JobId): number;
  nodes(): readonly SimNode[];
  pods(): readonly ObservedAttempt[];
  /** The machine is gone without notice, now. */
  take(node: SimNode): void;
  /** Somebody else deletes an object. */
  deleteByHand(name: string): void;
  hostOf(node: SimNode): NodeHost;
  metadataOf(node: SimNode): InstanceMetadata;
  trainingOf(name: string): Training | null;
}

const PLACE_RETRY_MS = 10_000;
const NOT_READY_MS = 40_000;

export function simCluster(time: SimTime, market: SimMarket, plan: CloudPlan, random: Random, events: ClusterEvents): SimCluster {
  const pods = new Map<string, Pod>();
  const nodes = new Set<SimNode>();
  const logs = new Map<JobId, SealLog>();
  const natures = new Map<JobId, JobNature>();
  const computing = new Map<JobId, Set<string>>();
  const completed = new Map<JobId, number>();
  const ownFailures = new Map<JobId, number>();
  const billed: Billed[] = [];
  let nodeCount = 0;

  const seals = (jobId: JobId): SealLog => {
    const log = logs.get(jobId) ?? sealLog();
    logs.set(jobId, log);
    return log;
  };
  const change = (pod: Pod): void => events.changed([pod.ask.spec.id]);

  function end(pod: Pod, phase: 'succeeded' | 'failed', exitCode: number | null): void {
    if (pod.dead) return;
    pod.dead = true;
    pod.seen.phase = phase;
    pod.seen.endedAtMs = time.nowMs();
    pod.seen.exitCode = exitCode;
    pod.seen.unschedulableSinceMs = null;
    if (exitCode === 1) pod.seen.logTail = 'Traceback: planned failure';
    bill(pod);
    if (pod.node !== null && !pod.node.gone) {
      const { node } = pod;
      time.at(time.nowMs() + 60_000, () => takeDown(node));
    }
    change(pod);
  }

  function bill(pod: Pod): void {
    const { placedAtMs, zone, capacityType, jobId } = pod.seen;
    if (placedAtMs === null) return;
    billed.push({ name: pod.name, jobId, fromMs: placedAtMs, toMs: time.nowMs(), zone, capacityType, objectLost: pod.objectLost });
  }

  function takeDown(node: SimNode): void {
    if (node.gone) return;
    node.gone = true;
    nodes.delete(node);
    events.nodeDown(node);
  }

  /** The machine stops existing now; its attempts with it. */
  function lose(node: SimNode, noticed: boolean): void {
    if (node.gone) return;
    const silent = !noticed && random.chance(plan.silentShare);
    const victims = [...pods.values()].filter((p) => p.node === node && !p.dead);
    takeDown(node);
    for (const pod of victims) {
      pod.objectLost = silent || (plan.objectsVanish && random.chance(0.3));
      const { phase } = pod.seen;
      pod.training?.sigkill();
      if (pod.training === null) end(pod, 'failed', null);
      pod.seen.exitCode = null;
      const shown = { ...pod.seen };
      // Nobody says so at once: the node is seen to be not ready, later.
      pod.seen.phase = phase;
      pod.seen.endedAtMs = null;
      node.object = { ...node.object };
      time.at(time.nowMs() + (noticed ? random.between(0, 5000) : NOT_READY_MS), () => {
        if (silent) {
          node.object = { ...node.object, ready: false, silentSinceMs: time.nowMs() };
          change(pod);
          return;
        }
        pod.seen.phase = shown.phase;
        pod.seen.endedAtMs = shown.endedAtMs;
        pod.seen.disruption = 'DeletionByPodGC';
        if (noticed && random.chance(0.5)) node.object = { ...node.object, ready: false };
        else pod.node = null;
        if (pod.objectLost) pods.delete(pod.name);
        change(pod);
      });
    }
  }

  function fate(node: SimNode): void {
    const { capacityType, zone } = node.object;
    const mean = capacityType === 'spot' ? plan.spotLifeMs : plan.onDemandLifeMs;
    const drawn = random.next();
    const kind = random.next();
    const noticeMs = kind < plan.vanishShare + plan.shortNoticeShare ? random.between(5000, plan.noticeMs / 2) : plan.noticeMs;
    const hit = (): void => {
      if (node.gone) return;
      if (kind < plan.vanishShare || capacityType === 'on-demand') {
        lose(node, false);
        return;
      }
      const notice = (): void => {
        if (node.gone) return;
        node.notice = { action: 'terminate', endsAtMs: time.nowMs() + noticeMs };
        time.at(node.notice.endsAtMs, () => lose(node, true));
      };
      if (random.chance(plan.rebalanceShare)) {
        node.rebalanceAtMs = time.nowMs();
        time.at(time.nowMs() + random.between(0, 180_000), notice);
      } else notice();
    };
    if (mean !== null) time.at(time.nowMs() - Math.log(1 - drawn) * mean, hit);
    // A zone that runs dry takes back what it lent.
    if (capacityType === 'spot') watchDry(node, zone, hit);
  }

  function watchDry(node: SimNode, zone: string, hit: () => void): void {
    const look = (): void => {
      if (node.gone) return;
      if (!market.has(zone, 'spot', time.nowMs())) hit();
      else time.at(time.nowMs() + 60_000, look);
    };
    time.at(time.nowMs() + 60_000, look);
  }

  function tryPlace(pod: Pod): void {
    if (pod.dead || pod.seen.placedAtMs !== null || !pods.has(pod.name)) return;
    const nowMs = time.nowMs();
    const place = pod.ask.ranked.find((p) => market.has(p.zone, p.capacityType, nowMs));
    if (place === undefined) {
      if (pod.seen.unschedulableSinceMs === null) {
        pod.seen.unschedulableSinceMs = nowMs;
        change(pod);
      }
      time.at(nowMs + PLACE_RETRY_MS, () => tryPlace(pod));
      return;
    }
    const { zone, instanceType, capacityType } = place;
    const name = `node-${++nodeCount}`;
    const object = {
      name,
      zone,
      instanceType,
      capacityType,
      ready: true,
      silentSinceMs: null,
      interruption: null,
      rebalanceAtMs: null,
      cordonedBy: null,
    };
    const node: SimNode = { name, object, notice: null, rebalanceAtMs: null, gone: false };
    nodes.add(node);
    pod.node = node;
    Object.assign(pod.seen, {
      zone,
      instanceType,
      capacityType,
      priceUsdPerHour: market.priceUsdPerHour(zone, capacityType, nowMs),
      placedAtMs: nowMs,
      unschedulableSinceMs: null,
      nodeName: name,
    });
    change(pod);
    events.nodeUp(node);
    fate(node);
    if (capacityType === 'spot' && random.chance(plan.stuckShare)) return;
    time.at(nowMs + random.between(500, 25_000), () => startContainer(pod));
  }

  function startContainer(pod: Pod): void {
    if (pod.dead || pod.training !== null || pod.node === null || pod.node.gone) return;
    const { id: jobId } = pod.ask.spec;
    pod.seen.phase = 'running';
    change(pod);
    const nature = natures.get(jobId) ?? plainNature(pod.ask.spec.workMs);
    const training: TrainingPlan = {
      attempt: pod.ask.attempt,
      workMs: nature.workMs,
      checkpointMs: nature.checkpointMs,
      everyMs: 45_000,
      loadMs: random.between(2000, 15_000),
      handover: pod.ask.handover,
      failsAfterMs: nature.failures.get(pod.ask.attempt) ?? null,
      boundaryMs: nature.boundaryMs,
      hookless: nature.hookless,
    };
    const active = computing.get(jobId) ?? new Set<string>();
    computing.set(jobId, active);
    pod.training = startTraining(time, seals(jobId), training, {
      computing: (on) => {
        if (on) active.add(pod.name);
        else active.delete(pod.name);
        if (active.size > 1) events.twiceAtOnce(jobId, [...active]);
      },
      exited: (code) => {
        if (code === 0) completed.set(jobId, completed.get(jobId) ?? time.nowMs());
        if (code === 1) ownFailures.set(jobId, (ownFailures.get(jobId) ?? 0) + 1);
        end(pod, code === 0 ? 'succeeded' : 'failed', code);
      },
    });
  }

  function shown(pod: Pod): ObservedAttempt {
    return { ...pod.seen, node: pod.node === null ? null : pod.node.object };
  }

  function remove(name: string, byNerve: boolean, lost = false): void {
    const pod = pods.get(name);
    if (pod === undefined || pod.seen.endedAtMs !== null) return;
    if (lost && pod.node !== null && pod.node.object.silentSinceMs !== null) {
      Object.assign(pod.seen, { phase: 'failed', endedAtMs: time.nowMs(), deletedByNerve: byNerve });
      change(pod);
      return;
    }
    if (pod.seen.deletionRequestedAtMs !== null) return;
    pod.seen.deletionRequestedAtMs = time.nowMs();
    pod.seen.graceEndsAtMs = time.nowMs() + plan.graceMs;
    pod.seen.deletedByNerve = byNerve;
    change(pod);
    const { training } = pod;
    if (training === null) {
      end(pod, 'failed', pod.seen.placedAtMs === null ? null : 143);
      return;
    }
    training.sigterm();
    time.at(time.nowMs() + plan.graceMs, () => training.sigkill());
  }

  const podsOn = (node: SimNode): Pod[] => [...pods.values()].filter((p) => p.node === node);
  const nodeChanged = (node: SimNode): void => events.changed(podsOn(node).map((p) => p.ask.spec.id));
  const mustLive = (node: SimNode): void => {
    if (node.gone) throw new NerveError('not-found', `node ${node.name} is gone`);
  };

  return {
    billed,
    natures,
    seals,
    completedAtMs: (jobId) => completed.get(jobId) ?? null,
    ownFailures: (jobId) => ownFailures.get(jobId) ?? 0,
    nodes: () => [...nodes],
    pods: () => [...pods.values()].map(shown),
    take: (node) => lose(node, false),
    deleteByHand: (name) => remove(name, false),
    trainingOf: (name) => pods.get(name)?.training ?? null,
    port: {
      attempts: async () => [...pods.values()].map(shown),
      attemptsOf: async (jobId) => [...pods.values()].filter((p) => p.ask.spec.id === jobId).map(shown),
      launch: async (ask) => {
        const known = pods.get(ask.name);
        if (known !== undefined) return shown(known);
        const [first] = ask.ranked;
        if (first === undefined) throw new NerveError('fatal', 'an ask without a place');
        const pod: Pod = {
          name: ask.name,
          ask: structuredClone(ask),
          node: null,
          training: null,
          objectLost: false,
          dead: false,
          seen: pendingAttempt({ name: ask.name, jobId: ask.spec.id, attempt: ask.attempt }, first, time.nowMs()),
        };
        pods.set(ask.name, pod);
        time.at(time.nowMs() + random.between(...plan.bootMs), () => tryPlace(pod));
        change(pod);
        return shown(pod);
      },
      requestStop: async (name, request) => {
        const pod = pods.get(name);
        if (pod === undefined) return;
        pod.seen.stopRequest = request;
        change(pod);
      },
      remove: async (name, lost) => remove(name, true, lost),
      forget: async (jobId) => {
        for (const pod of pods.values()) if (pod.ask.spec.id === jobId && pod.seen.endedAtMs !== null) pods.delete(pod.name);
      },
    },
    metadataOf: (node) => ({
      interruption: async () => (node.notice === null ? null : { action: node.notice.action, endsAtRealMs: node.notice.endsAtMs }),
      rebalance: async () => (node.rebalanceAtMs === null ? null : { noticeRealMs: node.rebalanceAtMs }),
    }),
    hostOf: (node) => ({
      hosted: async (): Promise<readonly HostedAttempt[]> => {
        mustLive(node);
        return podsOn(node).map(({ name, seen, training }) => ({
          name,
          jobId: seen.jobId,
          attempt: seen.attempt,
          hook: training === null ? null : { port: seen.attempt, token: name },
          stopRequest: seen.stopRequest,
          ended: seen.endedAtMs !== null,
        }));
      },
      marks: async () => {
        mustLive(node);
        const { interruption, rebalanceAtMs, cordonedBy } = node.object;
        return { interruption, rebalanceAtMs, cordonedBy };
      },
      annotateNode: async ({ interruption, rebalanceAtMs }) => {
        mustLive(node);
        node.object = {
          ...node.object,
          ...(interruption === undefined ? {} : { interruption }),
          ...(rebalanceAtMs === undefined ? {} : { rebalanceAtMs }),
        };
        nodeChanged(node);
      },
      cordon: async () => {
        mustLive(node);
        node.object = { ...node.object, cordonedBy: 'nerve' };
        nodeChanged(node);
      },
      uncordon: async () => {
        mustLive(node);
        node.object = { ...node.object, cordonedBy: null };
        nodeChanged(node);
      },
      annotateAttempt: async (name, annotations: AttemptAnnotations) => {
        mustLive(node);
        const pod = pods.get(name);
        if (pod === undefined) return;
        Object.assign(pod.seen, annotations);
        change(pod);
      },
    }),
  };
}
