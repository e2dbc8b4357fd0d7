// The worker's hands in a cluster (docs/decisions/0009-the-cluster-wire.md). `launch` lifts the gate of the pod that waits, or creates the
// next pod of a bare one from the kept spec; `remove` deletes, and evicts pods of Jobs, because only an eviction spares their backoffLimit.
//
// Surprise: before anything is done, attempts of one job are read fresh, but a pod that is missing in that list is judged only once the watch
// has told how it ended. Judging it earlier would take every deletion by a user for a lost node, and start the job again.

import { setTimeout as pause } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import type { Placement } from '../../engine/decision.ts';
import { NerveError } from '../../engine/errors.ts';
import type { JobId, PodProgram } from '../../engine/job.ts';
import { attemptPod } from '../../engine/pod/attempt.ts';
import { JOB_ID_LABEL, POD } from '../../engine/pod/names.ts';
import { type Dialect, type DialectName, dialectOf, observeNode } from '../../engine/pod/node.ts';
import { attemptName, isGated, observePod } from '../../engine/pod/observe.ts';
import { pinPatch } from '../../engine/pod/pin.ts';
import { annotation, type LaunchedAs, rfc3339 } from '../../engine/pod/read.ts';
import { goesOn, statusAnnotations } from '../../engine/pod/status.ts';
import type { Node, Pod } from '../../engine/pod/types.ts';
import type { ObservedAttempt } from '../../engine/snapshot.ts';
import type { Clock, Cluster, LaunchAsk, Log, Metrics, SpecVault } from '../../ports.ts';
import { type Api, statusOf } from './api.ts';
import type { Follow } from './follow.ts';
import { gatedPod, openGate } from './gates.ts';
import { hasEnded } from './ledger.ts';

const MISSING_WAIT_MS = 5000;
const MISSING_LOOK_MS = 50;
/** In a busy cluster the watch says something all the time; in a quiet one reading fresh costs little. */
const HEARD_MS = 10_000;
/** How an eviction is answered that a PodDisruptionBudget forbids, or two that cover the same pod. */
const REFUSED_EVICTION: ReadonlySet<number> = new Set([429, 500]);
/** More launches than that are not under way at once. */
const LATELY = 32;

export interface ClusterOptions {
  readonly api: Api;
  readonly follow: Follow;
  readonly vault: SpecVault;
  readonly dialect: DialectName;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'refused'>;
}

const notFound = (error: unknown): null => {
  if (error instanceof NerveError && error.kind === 'not-found') return null;
  throw error;
};

const isKind =
  (...kinds: readonly NerveError['kind'][]) =>
  (error: unknown): null => {
    if (error instanceof NerveError && kinds.includes(error.kind)) return null;
    throw error;
  };

const pathOf = ({ metadata }: Pod): string => `/api/v1/namespaces/${metadata.namespace ?? ''}/pods/${metadata.name ?? ''}`;

export function kubernetesCluster(options: ClusterOptions): Cluster {
  const { api, follow, clock, log } = options;
  const { ledger } = follow;

  /** Held pods as they were just read, whole: the launch that rests on that look need not read them again. */
  const lately = new Map<string, Pod>();
  const rememberHeld = (pod: Pod): void => {
    lately.delete(pod.metadata.uid ?? '');
    lately.set(pod.metadata.uid ?? '', pod);
    const [oldest] = lately.keys();
    if (lately.size > LATELY && oldest !== undefined) lately.delete(oldest);
  };

  /** The job's pods as the API server has them now. */
  const fresh = async (jobId: JobId): Promise<readonly Pod[]> => {
    await follow.synced();
    const known = ledger.podsOf(jobId);
    const [namespace] = known.map((pod) => pod.metadata.namespace);
    const selector = `labelSelector=${encodeURIComponent(`${JOB_ID_LABEL}=${jobId}`)}`;
    const path = namespace === undefined ? '/api/v1/pods' : `/api/v1/namespaces/${namespace}/pods`;
    const { items } = await api.call<{ readonly items: readonly Pod[] }>({ path: `${path}?${selector}` });
    const pods = items.filter((pod) => ledger.isOf(jobId, pod));
    for (const pod of pods) if (isGated(pod)) rememberHeld(pod);
    const uids = new Set(pods.map((pod) => pod.metadata.uid));
    const missing = known.filter((pod) => !uids.has(pod.metadata.uid)).map((pod) => pod.metadata.uid ?? '');
    for (let waitedMs = 0; !missing.every((uid) => ledger.isGone(uid)); waitedMs += MISSING_LOOK_MS) {
      if (waitedMs > MISSING_WAIT_MS) throw new NerveError('retryable', `A pod of job ${jobId} is gone, and the watch has not said how it ended.`);
      await pause(MISSING_LOOK_MS);
    }
    // A node that went takes its pods along; told by another watch, perhaps later, and a new one may bear its name already.
    for (const { uid, nodeName } of ledger.unexplained(jobId)) {
      ledger.explained(uid, await api.call<Node>({ path: `/api/v1/nodes/${nodeName}` }).catch(notFound));
    }
    return pods;
  };

  /** The job's pods as the watch told them last; null where it may have missed something. */
  const told = async (jobId: JobId, open: readonly number[]): Promise<readonly Pod[] | null> => {
    await follow.synced();
    if (clock.realNowMs() - follow.heardAtMs() > HEARD_MS || ledger.unexplained(jobId).length > 0) return null;
    const pods = ledger.podsOf(jobId);
    const shown = new Set(ledger.numbered(jobId, pods).map(({ attempt }) => attempt));
    return open.every((attempt) => shown.has(attempt)) ? pods : null;
  };

  const find = async (name: string): Promise<Pod | null> => {
    const { jobId, attempt } = parseName(name);
    const found = ledger.numbered(jobId, await fresh(jobId)).find((each) => each.attempt === attempt && each.goneAtMs === null);
    return found?.pod ?? null;
  };

  const write = (pod: Pod, annotations: Readonly<Record<string, string | null>>): Promise<unknown> =>
    api
      .call({ method: 'PATCH', path: pathOf(pod), type: 'application/merge-patch+json', body: { metadata: { annotations } } })
      .catch(isKind('not-found'));

  const evict = async (pod: Pod, query = ''): Promise<void> => {
    const { name, namespace, uid } = pod.metadata;
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace }, deleteOptions: { preconditions: { uid } } };
    await api.call({ method: 'POST', path: `${pathOf(pod)}/eviction${query}`, body }).catch(isKind('not-found', 'conflict'));
  };

  /** What is asked to seal and stop must be evictable: one that a budget keeps would sit there idle, on the clock of its deadline. */
  const mayBeEvicted = async (pod: Pod): Promise<void> => {
    await evict(pod, '?dryRun=All').catch((error: unknown) => {
      if (!REFUSED_EVICTION.has(statusOf(error) ?? 0)) throw error;
      throw new NerveError('conflict', `A PodDisruptionBudget forbids the eviction of ${pathOf(pod)}: ${String(error)}`, { cause: error });
    });
  };

  const end = async (pod: Pod): Promise<void> => {
    await write(pod, { [POD.deletedBy]: 'nerve' });
    const preconditions = { uid: pod.metadata.uid };
    // Also one that was never placed: its plain deletion would count against the Job.
    if (ownedByJob(pod)) return evict(pod);
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions };
    await api.call({ method: 'DELETE', path: pathOf(pod), body }).catch(isKind('not-found', 'conflict'));
  };

  /** Without waiting for the kubelet's word, which would never come. The watch of nodes may be behind: asked of the API server. */
  const drop = async (pod: Pod): Promise<void> => {
    const node = await api.call<Node>({ path: `/api/v1/nodes/${pod.spec.nodeName ?? ''}` }).catch(notFound);
    if (node !== null && observeNode(node).silentSinceMs === null) return;
    await write(pod, { [POD.deletedBy]: 'nerve' });
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } };
    await api.call({ method: 'DELETE', path: pathOf(pod), body }).catch(isKind('not-found', 'conflict'));
  };

  return {
    attempts: async () => {
      await follow.synced();
      return ledger.jobs().flatMap((jobId) => ledger.attemptsOf(jobId));
    },
    attemptsOf: async (jobId, within, open) => {
      if (within !== undefined) ledger.bind(jobId, within);
      const pods = (open === undefined ? null : await told(jobId, open)) ?? (await fresh(jobId));
      return ledger.attemptsOf(jobId, pods);
    },
    launch: async (ask) => {
      const { program } = ask.spec;
      if (program.kind !== 'pod') throw new NerveError('fatal', `Job ${ask.spec.id} is no pod: it cannot run in a cluster.`);
      const dialect = dialectOf(options.dialect, ledger.nodes());
      ledger.bind(ask.spec.id, program.namespace);
      // The look that asks has read fresh, and a gate is lifted once: what has changed since is refused by the API server. But a held pod that
      // another worker was told of must not get a copy beside it.
      const known = await told(ask.spec.id, []);
      const pods = known?.some(isGated) === true ? known : await fresh(ask.spec.id);
      const there = ledger.attemptsOf(ask.spec.id, pods).find((each) => each.attempt === ask.attempt);
      if (there !== undefined) return there;
      const mine = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
      const gated = mine.findLast(isGated);
      if (gated !== undefined) return lift(options, gated, ask, program, dialect);
      if (program.owner === 'job') throw new NerveError('retryable', `The Job of ${ask.spec.id} has not made its next pod yet.`);
      return create(options, mine.at(-1) ?? null, ask, program, dialect);
    },
    requestStop: async (name, request) => {
      const pod = await find(name);
      if (pod === null) return;
      if (ownedByJob(pod) && request !== 'cancel') await mayBeEvicted(pod);
      await write(pod, { [POD.stopRequest]: request });
    },
    remove: async (name, lost = false) => {
      const pod = await find(name);
      if (pod === null || hasEnded(pod)) return;
      if (lost && !ownedByJob(pod)) await drop(pod);
      else if (pod.metadata.deletionTimestamp === undefined) await end(pod);
    },
    forget: async (jobId, ended) => {
      // Each attempt must be shown: one that ran and is told as held still would be deleted for that.
      const attempts = ended?.attempts.map(({ attempt }) => attempt);
      const pods = (attempts === undefined ? null : await told(jobId, attempts)) ?? (await fresh(jobId));
      const newest = pods.at(-1);
      for (const pod of pods) {
        const outcome = pod === newest && ended !== undefined ? statusAnnotations(ended) : {};
        // A held pod of a cancelled job; one of a Job would be made again at once, and stays. But a Job that goes on after its job has ended
        // for Nerve (its pod was deleted, its retries are used up) has made its next pod, which nobody else would ever let start.
        const gate = ownedByJob(pod) && ended !== undefined && goesOn(ended) ? gatedPod(pod) : null;
        if (gate !== null) await openGate(api, gate, { ...outcome, [POD.finished]: rfc3339(clock.nowMs()) });
        else if (isGated(pod) && !ownedByJob(pod)) await end(pod);
        else if (pod !== newest && pod.metadata.name?.startsWith(`nerve-${jobId}-a`) === true) await end(pod);
        else if (pod.spec.restartPolicy === 'Always' && pod.status?.phase === 'Running') {
          // Whoever waits for it reads how it ended while it goes.
          await write(pod, outcome);
          await end(pod);
        } else if (annotation(pod, POD.finished) === null) {
          await write(pod, { ...outcome, [POD.finished]: rfc3339(clock.nowMs()) });
        }
      }
      ledger.forget(jobId);
      await options.vault.forget(jobId);
    },
    watch: (changed, signal) => follow.watch(changed, signal),
  };

  function ownedByJob(pod: Pod): boolean {
    return pod.metadata.ownerReferences?.some((owner) => owner.kind === 'Job') ?? false;
  }

  async function lift({ api: calls }: ClusterOptions, slim: Pod, ask: LaunchAsk, program: PodProgram, dialect: Dialect): Promise<ObservedAttempt> {
    const uid = slim.metadata.uid ?? '';
    const pod = lately.get(uid) ?? (await calls.call<Pod>({ path: pathOf(slim) }));
    lately.delete(uid);
    const made = pinPatch(pod, asked(ask, clock.nowMs()), ask.ranked, dialect, program.owner === 'job');
    if (made === null) throw new NerveError('retryable', `The gate of ${ask.name} was lifted by somebody else.`);
    if (made.warning !== null) log.warn({ jobId: ask.spec.id, pod: pod.metadata.name }, made.warning);
    const patched = await calls
      .call<Pod>({ method: 'PATCH', path: pathOf(pod), type: 'application/json-patch+json', body: made.patch })
      .catch((error: unknown) => {
        // Lifted or deleted meanwhile: the next look sees what is.
        if (error instanceof NerveError && (error.kind === 'conflict' || error.kind === 'not-found')) throw retry(ask, error);
        throw error;
      });
    follow.wrote(patched);
    return observePod(patched, { jobId: ask.spec.id, attempt: ask.attempt, node: null, goneAtMs: null });
  }

  async function create(at: ClusterOptions, live: Pod | null, ask: LaunchAsk, program: PodProgram, dialect: Dialect): Promise<ObservedAttempt> {
    const kept = (await at.vault.open(ask.spec.id)) ?? (live === null ? null : await at.api.call<Pod>({ path: pathOf(live) }));
    if (kept === null) {
      at.metrics.refused('no-pod');
      throw new NerveError('refused', `There is no admitted pod to copy for ${ask.name}.`, { hint: 'Submit the job again.' });
    }
    // A record is data from Redis: it names a pod that was admitted in its own namespace, or nothing is made.
    if (kept.metadata.namespace !== program.namespace || kept.metadata.labels?.[JOB_ID_LABEL] !== ask.spec.id) {
      at.metrics.refused('foreign-pod');
      throw new NerveError('refused', `The kept pod of ${ask.name} is of another namespace or job.`);
    }
    const hookToken = randomBytes(24).toString('base64url');
    const { attempt, ranked, handover, spec } = ask;
    const wanted = { jobId: spec.id, attempt, ranked, handover, deadlineMs: spec.deadlineMs, hookToken, nowMs: clock.nowMs() };
    const { pod, warning } = attemptPod(kept, wanted, dialect);
    if (warning !== null) log.warn({ jobId: spec.id, pod: pod.metadata.name }, warning);
    const path = `/api/v1/namespaces/${program.namespace}/pods`;
    const created = await at.api.call<Pod>({ method: 'POST', path, body: pod }).catch((error: unknown) => {
      if (error instanceof NerveError && error.kind === 'conflict') throw retry(ask, error);
      throw error;
    });
    follow.wrote(created);
    return observePod(created, { jobId: spec.id, attempt, node: null, goneAtMs: null });
  }
}

const retry = (ask: LaunchAsk, cause: NerveError): NerveError =>
  new NerveError('retryable', `${ask.name} changed while it was being started: ${cause.message}`, { cause });

function asked({ attempt, ranked }: LaunchAsk, atMs: number): LaunchedAs {
  const first: Placement | undefined = ranked[0];
  return {
    attempt,
    zone: first?.zone ?? 'unknown',
    instanceType: first?.instanceType ?? 'unknown',
    capacityType: first?.capacityType ?? 'on-demand',
    priceUsdPerHour: first?.priceUsdPerHour ?? null,
    atMs,
  };
}

function parseName(name: string): { readonly jobId: JobId; readonly attempt: number } {
  const [, jobId = '', attempt = '0'] = /^nerve-(.+)-a(\d+)$/.exec(name) ?? [];
  if (attemptName(jobId, Number(attempt)) !== name) throw new NerveError('fatal', `"${name}" is not the name of an attempt.`);
  return { jobId, attempt: Number(attempt) };
}
