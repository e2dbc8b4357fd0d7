// Everything the readers know about jobs: their pods that exist, those that are gone (kept until the job is forgotten, with the node as it
// was), and which of them is which attempt. Objects are judged by the pure functions of engine/pod.

import type { JobId } from '../../engine/job.ts';
import { observeNode } from '../../engine/pod/node.ts';
import { attemptNumber, isGated, jobIdOf, observePod } from '../../engine/pod/observe.ts';
import { POD } from '../../engine/pod/names.ts';
import { annotation, instant } from '../../engine/pod/read.ts';
import type { Node, Pod } from '../../engine/pod/types.ts';
import type { ObservedAttempt, ObservedNode } from '../../engine/snapshot.ts';

/** Nobody asked to forget it, and nobody will: its job was closed by another worker. */
const GONE_LIMIT = 5000;

interface Gone {
  readonly pod: Pod;
  readonly goneAtMs: number;
  readonly node: ObservedNode | null;
}

export class Ledger {
  readonly #pods = new Map<string, Pod>();
  readonly #byJob = new Map<JobId, Set<string>>();
  readonly #gone = new Map<string, Gone>();
  readonly #nodes = new Map<string, Node>();
  /** The node of a pod as it was when the pod was last seen to live: a node that goes after the end changes nothing. */
  readonly #lastNode = new Map<string, ObservedNode>();

  podChanged(pod: Pod): void {
    const jobId = jobIdOf(pod);
    const uid = pod.metadata.uid ?? '';
    if (jobId === null) return;
    this.#pods.set(uid, pod);
    const uids = this.#byJob.get(jobId) ?? new Set();
    this.#byJob.set(jobId, uids.add(uid));
    this.#rememberNode(pod);
  }

  podGone(last: Pod, nowMs: number): void {
    const uid = last.metadata.uid ?? '';
    const jobId = jobIdOf(last);
    this.#pods.delete(uid);
    if (jobId === null) return;
    // A gated pod never was an attempt; a finished one is nobody's business any more.
    if (isGated(last) || annotation(last, POD.finished) !== null) this.#drop(jobId, uid);
    else this.#gone.set(uid, { pod: last, goneAtMs: nowMs, node: this.#lastNode.get(uid) ?? null });
    if (this.#gone.size > GONE_LIMIT) {
      const [oldest] = this.#gone;
      if (oldest !== undefined) this.#drop(jobIdOf(oldest[1].pod) ?? '', oldest[0]);
    }
  }

  #drop(jobId: JobId, uid: string): void {
    this.#gone.delete(uid);
    this.#lastNode.delete(uid);
    const uids = this.#byJob.get(jobId);
    uids?.delete(uid);
    if (uids?.size === 0) this.#byJob.delete(jobId);
  }

  nodeChanged(node: Node): void {
    this.#nodes.set(node.metadata.name ?? '', node);
    for (const pod of this.#pods.values()) if (pod.spec.nodeName === node.metadata.name) this.#rememberNode(pod);
  }

  nodeGone(last: Node): void {
    this.#nodes.delete(last.metadata.name ?? '');
  }

  #rememberNode(pod: Pod): void {
    const node = this.#nodes.get(pod.spec.nodeName ?? '');
    const { phase } = pod.status ?? {};
    const uid = pod.metadata.uid ?? '';
    if (node === undefined || ((phase === 'Succeeded' || phase === 'Failed') && this.#lastNode.has(uid))) return;
    this.#lastNode.set(uid, observeNode(node));
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

  /** The job's pods that exist, oldest first. */
  podsOf(jobId: JobId): readonly Pod[] {
    return [...(this.#byJob.get(jobId) ?? [])].flatMap((uid) => this.#pods.get(uid) ?? []).toSorted(byAge);
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
      .map(({ pod, attempt, goneAtMs }) => observePod(pod, { jobId, attempt, goneAtMs, node: this.#nodeOf(pod) }));
  }

  numbered(
    jobId: JobId,
    fresh: readonly Pod[] = this.podsOf(jobId),
  ): readonly { readonly pod: Pod; readonly attempt: number; readonly goneAtMs: number | null }[] {
    const freshUids = new Set(fresh.map((pod) => pod.metadata.uid));
    const gone = [...(this.#byJob.get(jobId) ?? [])].flatMap((uid) => (freshUids.has(uid) ? [] : (this.#gone.get(uid) ?? [])));
    const all = [...fresh.map((pod) => ({ pod, goneAtMs: null })), ...gone].filter(({ pod }) => !isGated(pod));
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
    if (pod.spec.nodeName === undefined) return null;
    const uid = pod.metadata.uid ?? '';
    const { phase } = pod.status ?? {};
    const now = this.#nodes.get(pod.spec.nodeName);
    if (phase === 'Succeeded' || phase === 'Failed') return this.#lastNode.get(uid) ?? (now === undefined ? null : observeNode(now));
    return now === undefined ? null : observeNode(now);
  }
}

const byAge = (a: Pod, b: Pod): number =>
  (instant(a.metadata.creationTimestamp) ?? 0) - (instant(b.metadata.creationTimestamp) ?? 0) ||
  (attemptNumber(a) ?? 0) - (attemptNumber(b) ?? 0) ||
  (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '');
