// The SIMULATED cloud of the local cluster: nodes, attempts, capacity, notices. What it does to processes is real: when a notice
// expires, the node's processes get SIGKILL, as a cloud does. Single-threaded, and every change is on disk before it is answered. While
// the disk is full, a change takes effect and is answered with an error: whoever asked asks again, which changes nothing.
//
// An attempt that was placed gets a node of its own (as Karpenter gives a GPU job); the node goes when the attempt has
// ended. An attempt that ended keeps the last look of its node, so that "who ended it" can be told; one whose node was taken shows none.

import { randomBytes } from 'node:crypto';
import { NerveError } from '../../engine/errors.ts';
import type { Placement } from '../../engine/decision.ts';
import type { JobId, JobSpec } from '../../engine/job.ts';
import { pendingAttempt } from '../../engine/pending.ts';
import type { ObservedAttempt, ObservedNode } from '../../engine/snapshot.ts';
import type { Clock, LaunchAsk, Log } from '../../ports.ts';
import { type ProcessIdentity, signalIfAlive } from '../process/identity.ts';
import type { AssignedAttempt, CloudApi, NodeMarks } from './cloud-api.ts';
import { onDemandUsdPerHour, SHORTAGE_MS, spotAvailable, spotOffered, spotUsdPerHour, type Weather } from './weather.ts';

export interface CloudNode extends Omit<ObservedNode, 'ready' | 'silentSinceMs'> {
  readonly createdAtMs: number;
  /** What the metadata endpoint says; the agent writes `interruption` and `rebalanceAtMs` above. */
  readonly noticeEndsRealMs: number | null;
  readonly rebalanceRealMs: number | null;
}

export interface CloudAttempt {
  readonly seen: Omit<ObservedAttempt, 'node'>;
  readonly ranked: readonly Placement[];
  readonly spec: JobSpec;
  readonly handover: LaunchAsk['handover'];
  readonly hook: { readonly port: number; readonly token: string };
  readonly process: ProcessIdentity | null;
  /** The node as it was when the attempt ended; null: still running, or the node was taken. */
  readonly lastNode: ObservedNode | null;
}

export interface CloudState {
  readonly weather: Weather;
  readonly nodes: Readonly<Record<string, CloudNode>>;
  readonly attempts: Readonly<Record<string, CloudAttempt>>;
}

export interface CloudOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly noticeRealMs: number;
  readonly state: CloudState;
  readonly save: (state: CloudState) => void;
  readonly freePort: () => Promise<number>;
  readonly onNode: (node: CloudNode) => void;
  /** The machine is gone: `taken` by the cloud (kill at once), or given back. */
  readonly onNodeGone: (node: string, taken: boolean) => void;
  readonly onForget: (jobId: JobId) => void;
  readonly onShutDown: () => void;
}

export interface Cloud extends CloudApi {
  /** Places what waits, expires notices, takes machines back where capacity went away. */
  tick(): void;
  state(): CloudState;
  /** Marks attempts as stopped by Nerve, which ends on this machine. Whoever calls ends them. */
  takeDown(names: readonly string[]): void;
  /** Marks every node gone, for those that a killed `nerve up` left behind. */
  loseEverything(): void;
}

export function createCloud(options: CloudOptions): Cloud {
  const { clock, log } = options;
  const nodes = new Map(Object.entries(options.state.nodes));
  const attempts = new Map(Object.entries(options.state.attempts));
  let weather = options.state.weather;
  // What ended when the last "nerve up" did has not been seen by any worker.
  const changed: JobId[] = [...attempts.values()].map(({ seen }) => seen.jobId);
  const waiting = new Set<() => void>();

  const state = (): CloudState => ({ weather, nodes: Object.fromEntries(nodes), attempts: Object.fromEntries(attempts) });
  /** Why the newest state is not on disk; null: it is. */
  let unsaved: string | null = null;
  const save = (): void => {
    try {
      options.save(state());
      unsaved = null;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (unsaved === null) log.error({ error: why }, 'the simulated cloud cannot write its state; trying again');
      unsaved = why;
    }
  };
  const saved = <T>(answer: T): T => {
    if (unsaved !== null) throw new NerveError('retryable', `The simulated cloud cannot write its state: ${unsaved}.`, { hint: 'Make room there.' });
    return answer;
  };
  const commit = (jobId: JobId | null): void => {
    save();
    if (jobId === null) return;
    changed.push(jobId);
    for (const wake of waiting) wake();
    waiting.clear();
  };
  const find = (name: string): CloudAttempt => {
    const attempt = attempts.get(name);
    if (attempt === undefined) throw new NerveError('not-found', `There is no attempt ${name}.`);
    return attempt;
  };
  const patch = (name: string, seen: Partial<CloudAttempt['seen']>, rest: Partial<CloudAttempt> = {}): void => {
    const old = find(name);
    attempts.set(name, { ...old, ...rest, seen: { ...old.seen, ...seen } });
  };
  const nodeView = (node: CloudNode): ObservedNode => {
    const { name, zone, instanceType, capacityType, interruption, rebalanceAtMs, cordonedBy } = node;
    return { name, zone, instanceType, capacityType, ready: true, silentSinceMs: null, interruption, rebalanceAtMs, cordonedBy };
  };
  const view = (attempt: CloudAttempt): ObservedAttempt => {
    const node = attempt.seen.nodeName === null ? undefined : nodes.get(attempt.seen.nodeName);
    return { ...attempt.seen, node: attempt.seen.endedAtMs !== null || node === undefined ? attempt.lastNode : nodeView(node) };
  };
  const attemptOn = (node: string): CloudAttempt | undefined =>
    [...attempts.values()].find((a) => a.seen.nodeName === node && a.seen.endedAtMs === null);

  const hasRoom = ({ zone, instanceType, capacityType }: Omit<Placement, 'priceUsdPerHour'>): boolean =>
    capacityType === 'on-demand' || spotOffered(weather, zone, instanceType, clock.nowMs());

  function tryPlace(attempt: CloudAttempt): void {
    const { name, jobId } = attempt.seen;
    const choice = attempt.ranked.find((p) => hasRoom(p));
    if (choice === undefined) {
      if (attempt.seen.unschedulableSinceMs === null) {
        patch(name, { unschedulableSinceMs: clock.nowMs() });
        commit(jobId);
      }
      return;
    }
    const { zone, instanceType, capacityType } = choice;
    const nodeName = `i-${randomBytes(8).toString('hex')}`;
    const node: CloudNode = {
      name: nodeName,
      zone,
      instanceType,
      capacityType,
      createdAtMs: clock.nowMs(),
      interruption: null,
      rebalanceAtMs: null,
      cordonedBy: null,
      noticeEndsRealMs: null,
      rebalanceRealMs: null,
    };
    nodes.set(nodeName, node);
    const priceUsdPerHour =
      (capacityType === 'spot' ? spotUsdPerHour(weather, zone, instanceType, clock.nowMs()) : null) ?? onDemandUsdPerHour(instanceType) ?? 0;
    patch(name, { zone, instanceType, capacityType, priceUsdPerHour, nodeName, placedAtMs: clock.nowMs(), unschedulableSinceMs: null });
    commit(jobId);
    log.info({ attempt: name, node: nodeName, zone, capacityType }, 'placed');
    options.onNode(node);
  }

  function end(name: string, exitCode: number | null, logTail: string | null, node: ObservedNode | null): void {
    const { seen } = find(name);
    if (seen.endedAtMs !== null) return;
    patch(name, { endedAtMs: clock.nowMs(), phase: exitCode === 0 ? 'succeeded' : 'failed', exitCode, logTail }, { lastNode: node });
    commit(seen.jobId);
  }

  /** Takes a machine away with everything on it. */
  function take(node: CloudNode): void {
    const attempt = attemptOn(node.name);
    if (attempt?.process) signalIfAlive(attempt.process, 'SIGKILL', true);
    nodes.delete(node.name);
    options.onNodeGone(node.name, true);
    if (attempt !== undefined) end(attempt.seen.name, null, null, null);
    commit(attempt?.seen.jobId ?? null);
    log.warn({ node: node.name, zone: node.zone }, 'the simulated cloud took this machine back');
  }

  function giveBack(node: CloudNode): void {
    nodes.delete(node.name);
    options.onNodeGone(node.name, false);
    commit(null);
  }

  const api: CloudApi = {
    attempts: async ({ jobId }) => [...attempts.values()].filter((a) => jobId === undefined || a.seen.jobId === jobId).map(view),
    launch: async ({ name, spec, attempt, ranked, handover }) => {
      const [first] = ranked;
      if (first === undefined) throw new NerveError('fatal', `The launch of ${name} names no place.`);
      const known = attempts.get(name);
      if (known !== undefined) return saved(view(known));
      const hook = { port: await options.freePort(), token: randomBytes(24).toString('hex') };
      if (!attempts.has(name)) {
        const { node: _, ...seen } = pendingAttempt({ name, jobId: spec.id, attempt }, first, clock.nowMs());
        attempts.set(name, {
          seen,
          ranked,
          spec,
          handover,
          hook,
          process: null,
          lastNode: null,
        });
        commit(spec.id);
        tryPlace(find(name));
      }
      return saved(view(find(name)));
    },
    requestStop: async ({ name, request }) => {
      const { seen } = find(name);
      if (seen.stopRequest === request) return saved(null);
      patch(name, { stopRequest: request });
      commit(seen.jobId);
      return saved(null);
    },
    remove: async ({ name }) => {
      const attempt = attempts.get(name);
      if (attempt === undefined || attempt.seen.deletionRequestedAtMs !== null || attempt.seen.endedAtMs !== null) return saved(null);
      patch(name, { deletionRequestedAtMs: clock.nowMs(), deletedByNerve: true });
      if (attempt.seen.placedAtMs === null) end(name, null, null, null);
      commit(attempt.seen.jobId);
      return saved(null);
    },
    forget: async ({ jobId }) => {
      for (const [name, { seen }] of attempts) if (seen.jobId === jobId && seen.endedAtMs !== null) attempts.delete(name);
      commit(null);
      options.onForget(jobId);
      return saved(null);
    },
    changes: async ({ since }) => {
      if (changed.length === since) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 10_000);
          waiting.add(() => {
            clearTimeout(timer);
            resolve();
          });
        });
      }
      // A reader from before a restart knows more versions than there are: it gets everything.
      const fresh = since > changed.length ? [...attempts.values()].map((a) => a.seen.jobId) : changed.slice(since);
      return { version: changed.length, jobIds: [...new Set(fresh)] };
    },
    node: async ({ node }) => {
      const found = nodes.get(node);
      if (found === undefined) throw new NerveError('not-found', `There is no node ${node}.`);
      const { interruption, rebalanceAtMs, cordonedBy } = found;
      const assigned = [...attempts.values()]
        .filter((a) => a.seen.nodeName === node)
        .map((a): AssignedAttempt => ({ seen: view(a), spec: a.spec, handover: a.handover, hook: a.hook, process: a.process }));
      return { marks: { interruption, rebalanceAtMs, cordonedBy }, attempts: assigned };
    },
    markNode: async ({ node, marks }: { node: string; marks: NodeMarks }) => {
      const found = nodes.get(node);
      if (found === undefined) throw new NerveError('not-found', `There is no node ${node}.`);
      nodes.set(node, { ...found, ...marks });
      commit(attemptOn(node)?.seen.jobId ?? null);
      return saved(null);
    },
    annotateAttempt: async ({ name, annotations }) => {
      const { seen } = find(name);
      patch(name, annotations);
      // Progress alone wakes nobody; a resume or a seal does.
      const news =
        annotations.resumed?.epoch !== seen.resumed?.epoch ||
        annotations.lastCheckpoint?.id !== seen.lastCheckpoint?.id ||
        (annotations.lastCheckpoint?.final === true && seen.lastCheckpoint?.final !== true);
      commit(news ? seen.jobId : null);
      return saved(null);
    },
    started: async ({ name, process }) => {
      const { seen } = find(name);
      patch(name, { phase: seen.endedAtMs === null ? 'running' : seen.phase }, { process });
      commit(seen.jobId);
      return saved(null);
    },
    ended: async ({ name, exitCode, logTail }) => {
      const { seen } = find(name);
      const node = seen.nodeName === null ? undefined : nodes.get(seen.nodeName);
      end(name, exitCode, logTail, node === undefined ? null : nodeView(node));
      return saved(null);
    },
    disturb: async ({ jobId, kind }) => {
      const attempt = [...attempts.values()].filter((a) => a.seen.jobId === jobId && a.seen.endedAtMs === null && a.seen.nodeName !== null).at(-1);
      const node = attempt === undefined ? undefined : nodes.get(attempt.seen.nodeName ?? '');
      if (node === undefined)
        throw new NerveError('not-found', `Job ${jobId} runs on no node now.`, { hint: 'Only a running job can be interrupted.' });
      if (kind === 'notice' && node.capacityType === 'spot')
        weather = { ...weather, shortages: { ...weather.shortages, [node.zone]: clock.nowMs() + SHORTAGE_MS } };
      if (kind === 'drought') weather = { ...weather, droughtFromMs: clock.nowMs() };
      if (kind === 'vanish' || kind === 'drought') take(node);
      else disturbNode(node, kind);
      return saved({ node: node.name });
    },
    weather: async () => weather,
    shutDown: async () => {
      options.onShutDown();
      return null;
    },
  };

  const stays = ({ zone, instanceType }: CloudNode): boolean => spotAvailable(weather, zone, instanceType, clock.nowMs());

  function disturbNode(node: CloudNode, kind: 'notice' | 'rebalance'): void {
    const realMs = clock.realNowMs();
    nodes.set(
      node.name,
      kind === 'notice'
        ? { ...node, noticeEndsRealMs: node.noticeEndsRealMs ?? realMs + options.noticeRealMs }
        : { ...node, rebalanceRealMs: realMs },
    );
    commit(null);
    log.warn({ node: node.name, zone: node.zone, kind }, 'the simulated cloud announces');
  }

  return {
    ...api,
    state,
    tick: () => {
      if (unsaved !== null) save();
      for (const attempt of attempts.values()) if (attempt.seen.placedAtMs === null && attempt.seen.endedAtMs === null) tryPlace(attempt);
      for (const node of nodes.values()) {
        if (node.noticeEndsRealMs !== null && clock.realNowMs() >= node.noticeEndsRealMs) take(node);
        else if (attemptOn(node.name) === undefined) giveBack(node);
        else if (node.capacityType === 'spot' && node.noticeEndsRealMs === null && !stays(node)) disturbNode(node, 'notice');
      }
    },
    takeDown: (names) => {
      for (const name of names) {
        const { deletionRequestedAtMs, nodeName, stopRequest } = find(name).seen;
        // Where the cloud has announced that it takes the machine, that stays the reason.
        const announced = (nodeName === null ? null : (nodes.get(nodeName)?.interruption ?? null)) !== null;
        patch(name, {
          deletionRequestedAtMs: deletionRequestedAtMs ?? clock.nowMs(),
          deletedByNerve: true,
          stopRequest: stopRequest ?? (announced ? null : 'down'),
        });
      }
      save();
    },
    loseEverything: () => {
      for (const node of nodes.values()) take(node);
    },
  };
}
