// Everything the readers know about jobs: their pods that exist, those that are gone (kept until the job is forgotten, with the node as it
// was), and which of them is which attempt. Objects are judged by the pure functions of engine/pod.

import type { JobId } from '../../engine/job.ts';
import { observeNode } from '../../engine/pod/node.ts';
import { attemptNumber, claimedJobId, isGated, jobIdOf, observePod } from '../../engine/pod/observe.ts';
import { POD } from '../../engine/pod/names.ts';
import { annotation, instant } from '../../engine/pod/read.ts';
import type { Node, Pod } from '../../engine/pod/types.ts';
import type { ObservedAttempt, ObservedNode } from '../../engine/snapshot.ts';

/** Nobody asked to forget it, and nobody will: its job was closed by another worker. */
const GONE_LIMIT = 5000;

interface Gone {
  readonly pod: Pod;
  readonly goneAtMs: number;
  readonly heard: boolean;
}

export class Ledger {
  readonly #pods = new Map<string, Pod>();
  readonly #byJob = new Map<JobId, Set<string>>();
  readonly #gone = new Map<string, Gone>();
  /** Where a job's record says that it lives: a label elsewhere is not believed. */
  readonly #namespace = new Map<JobId, string>();
  readonly #nodes = new Map<string, Node>();
  /** The node of a pod as it was when the pod was last seen to live: a node that goes after the end changes nothing. */
  readonly #lastNode = new Map<string, { readonly seen: ObservedNode; readonly uid: string }>();
  /** Pods whose node object went before they did. A new node may bear the same name. */
  readonly #nodeLost = new Set<string>();
  /** Gone pods whose node was asked for after they went: the two watches know nothing of each other. */
  readonly #nodeAsked = new Set<string>();

  podChanged(pod: Pod): void {
    const jobId = claimedJobId(pod);
    const uid = pod.metadata.uid ?? '';
    if (jobId === null) return;
    this.#pods.set(uid, pod);
    const uids = this.#byJob.get(jobId) ?? new Set();
    this.#byJob.set(jobId, uids.add(uid));
    this.#rememberNode(pod);
  }

  podGone(last: Pod, nowMs: number, heard = true): void {
    const uid = last.metadata.uid ?? '';
    const jobId = claimedJobId(last);
    this.#pods.delete(uid);
    if (jobId === null) return;
    // A gated pod never was an attempt; a finished one is nobody's business any more.
    if (isGated(last) || annotation(last, POD.finished) !== null) this.#drop(jobId, uid);
    else this.#gone.set(uid, { pod: last, goneAtMs: nowMs, heard });
    if (this.#gone.size > GONE_LIMIT) {
      const [oldest] = this.#gone;
      if (oldest !== undefined) this.#drop(jobIdOf(oldest[1].pod) ?? '', oldest[0]);
    }
  }

  #drop(jobId: JobId, uid: string): void {
    this.#gone.delete(uid);
    this.#lastNode.delete(uid);
    this.#nodeLost.delete(uid);
    this.#nodeAsked.delete(uid);
    const uids = this.#byJob.get(jobId);
    uids?.delete(uid);
    if (uids?.size !== 0) return;
    this.#byJob.delete(jobId);
    this.#namespace.delete(jobId);
  }

  nodeChanged(node: Node): void {
    this.#nodes.set(node.metadata.name ?? '', node);
    for (const pod of this.#pods.values()) if (pod.spec.nodeName === node.metadata.name) this.#rememberNode(pod);
  }

  nodeGone(last: Node): void {
    this.#nodes.delete(last.metadata.name ?? '');
    for (const [uid, pod] of this.#pods) if (pod.spec.nodeName === last.metadata.name && !hasEnded(pod)) this.#nodeLost.add(uid);
  }

  #rememberNode(pod: Pod): void {
    const node = this.#nodes.get(pod.spec.nodeName ?? '');
    const uid = pod.metadata.uid ?? '';
    if (node === undefined || this.#nodeLost.has(uid) || (hasEnded(pod) && this.#lastNode.has(uid))) return;
    this.#lastNode.set(uid, { seen: observeNode(node), uid: node.metadata.uid ?? '' });
  }

  nodes(): readonly Node[] {
    return [...this.#nodes.values()];
  }

  jobsOn(nodeName: string): readonly JobId[] {
    const jobs = [...this.#pods.values()].filter((pod) => pod.spec.nodeName === nodeName).map((pod) => jobIdOf(pod) ?? '');
    return [...new Set(jobs)];
  }

  jobs(): readonly JobId[] {
    return [...this.#byJob.keys()];
  }

  /** Jobs with a pod that was let start and has no node yet. */
  unplacedJobs(): readonly JobId[] {
    const waiting = [...this.#pods.values()].filter((pod) => pod.spec.nodeName === undefined && !isGated(pod) && !hasEnded(pod));
    return [...new Set(waiting.flatMap((pod) => claimedJobId(pod) ?? []))];
  }

  bind(jobId: JobId, namespace: string): void {
    this.#namespace.set(jobId, namespace);
  }

  isOf(jobId: JobId, pod: Pod): boolean {
    return claimedJobId(pod) === jobId && pod.metadata.namespace === (this.#namespace.get(jobId) ?? this.#oldestNamespace(jobId, pod));
  }

  /** Where no record is known: an id cannot be guessed before its pod exists, so that a forged one is younger. */
  #oldestNamespace(jobId: JobId, otherwise: Pod): string | undefined {
    const uids = [...(this.#byJob.get(jobId) ?? [])];
    const pods = uids.flatMap((uid) => this.#pods.get(uid) ?? this.#gone.get(uid)?.pod ?? []);
    return (pods.toSorted(byAge)[0] ?? otherwise).metadata.namespace;
  }

  /** The job's pods that exist, oldest first. */
  podsOf(jobId: JobId): readonly Pod[] {
    const pods = [...(this.#byJob.get(jobId) ?? [])].flatMap((uid) => this.#pods.get(uid) ?? []);
    return pods.filter((pod) => this.isOf(jobId, pod)).toSorted(byAge);
  }

  isGone(uid: string): boolean {
    return this.#gone.has(uid) || !this.#pods.has(uid);
  }

  forget(jobId: JobId): void {
    for (const uid of this.#byJob.get(jobId) ?? []) if (this.#gone.has(uid)) this.#drop(jobId, uid);
  }

  /** The job's attempts; `fresh`: its pods as just read, instead of what the watch told last. */
  attemptsOf(jobId: JobId, fresh?: readonly Pod[]): readonly ObservedAttempt[] {
    return this.numbered(jobId, fresh)
      .filter(({ pod }) => annotation(pod, POD.finished) === null)
      .map(({ pod, attempt, goneAtMs }) => {
        const unheard = this.#gone.get(pod.metadata.uid ?? '')?.heard === false;
        return observePod(pod, { jobId, attempt, goneAtMs, unheard, node: this.#nodeOf(pod) });
      });
  }

  numbered(
    jobId: JobId,
    fresh: readonly Pod[] = this.podsOf(jobId),
  ): readonly { readonly pod: Pod; readonly attempt: number; readonly goneAtMs: number | null }[] {
    const freshUids = new Set(fresh.map((pod) => pod.metadata.uid));
    const gone = [...(this.#byJob.get(jobId) ?? [])].flatMap((uid) => (freshUids.has(uid) ? [] : (this.#gone.get(uid) ?? [])));
    const all = [...fresh.map((pod) => ({ pod, goneAtMs: null })), ...gone].filter(({ pod }) => !isGated(pod) && this.isOf(jobId, pod));
    let last = 0;
    return all
      .toSorted((a, b) => byAge(a.pod, b.pod))
      .map(({ pod, goneAtMs }) => {
        last = attemptNumber(pod) ?? last + 1;
        return { pod, goneAtMs, attempt: last };
      });
  }

  /** As it is now; for a pod that ended or is gone, as it was then; null when the object is gone under a living pod. */
  #nodeOf(pod: Pod): ObservedNode | null {
    const uid = pod.metadata.uid ?? '';
    if (pod.spec.nodeName === undefined || this.#nodeLost.has(uid)) return null;
    const last = this.#lastNode.get(uid)?.seen ?? null;
    if (hasEnded(pod) || this.#nodeAsked.has(uid)) return last;
    const now = this.#nodes.get(pod.spec.nodeName);
    return now === undefined ? null : observeNode(now);
  }

  /** Pods that went without a word of how they ended, and whose node has not been asked for since. */
  unexplained(jobId: JobId): readonly { readonly uid: string; readonly nodeName: string }[] {
    return [...(this.#byJob.get(jobId) ?? [])].flatMap((uid) => {
      const nodeName = this.#gone.get(uid)?.pod.spec.nodeName;
      if (nodeName === undefined || this.#nodeLost.has(uid) || this.#nodeAsked.has(uid)) return [];
      return hasEnded(this.#gone.get(uid)?.pod) ? [] : [{ uid, nodeName }];
    });
  }

  /** What the node of such a pod is now; null: there is none of that name. */
  explained(uid: string, node: Node | null): void {
    const before = this.#lastNode.get(uid);
    if (node === null || (before !== undefined && before.uid !== node.metadata.uid)) this.#nodeLost.add(uid);
    else {
      this.#lastNode.set(uid, { seen: observeNode(node), uid: node.metadata.uid ?? '' });
      this.#nodeAsked.add(uid);
    }
  }
}

export const hasEnded = (pod: Pod | null | undefined): boolean => pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed';

const byAge = (a: Pod, b: Pod): number =>
  (instant(a.metadata.creationTimestamp) ?? 0) - (instant(b.metadata.creationTimestamp) ?? 0) ||
  (attemptNumber(a) ?? 0) - (attemptNumber(b) ?? 0) ||
  (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '');
