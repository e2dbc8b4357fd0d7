// The second rule, for Jobs: what Nerve must know of a Job in order to move its pods, written on its pod template, because Nerve has no right
// to read Jobs (DESIGN section 5).

import { ASYNC_TIER, POD, TIER_LABEL } from '../engine/pod/names.ts';
import { PARALLEL } from './left-alone.ts';
import { wordsPatch } from './patch.ts';
import { isAbsent, isMap, isMeta, isNumber, type Map, untouched, type Verdict } from './review.ts';

/** Exit codes of a container that was asked to stop: the SDK's, SIGTERM's, SIGKILL's. */
const STOPPED = [75, 143, 137];
const DEFAULT_BACKOFF_LIMIT = 6;

interface Job {
  readonly queued: boolean;
  readonly spec: Map;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>> | null;
  readonly hasMetadata: boolean;
}

export function mutateJob(object: unknown): Verdict {
  const job = jobOf(object);
  if (job === null) return untouched('unreadable', 'could not read this Job; it goes on as it is.');
  if (job.labels[TIER_LABEL] !== ASYNC_TIER) return untouched('own');
  const leave = whyLeave(job);
  const annotations = {
    ...job.annotations,
    [POD.backoffLimit]: String(backoffLimit(job.spec)),
    [POD.ignoresDisruption]: String(ignoresDisruption(job.spec['podFailurePolicy'])),
    ...(leave === null ? {} : { [POD.leave]: leave }),
  };
  const path = '/spec/template/metadata';
  const patch = job.hasMetadata
    ? wordsPatch(`${path}/annotations`, job.annotations, annotations)
    : [{ op: 'add' as const, path, value: { annotations } }];
  return { outcome: 'job', patch, warnings: warnings(job.spec), jobId: null };
}

function jobOf(object: unknown): Job | null {
  if (!isMap(object) || !isMap(object['spec']) || !isMeta(object['metadata'])) return null;
  const { spec } = object;
  const template = spec['template'];
  if (!isMap(template) || !isAbsent(template['metadata'], isMeta)) return null;
  const metadata = (template['metadata'] ?? {}) as { labels?: Record<string, string> | null; annotations?: Record<string, string> | null };
  const numbers = ['parallelism', 'completions', 'backoffLimit', 'backoffLimitPerIndex', 'activeDeadlineSeconds'];
  if (!numbers.every((key) => isAbsent(spec[key], isNumber))) return null;
  const own = object['metadata'] as { labels?: Record<string, string> | null };
  return {
    queued: Object.keys(own.labels ?? {}).some((name) => name.startsWith('kueue.x-k8s.io/')),
    spec,
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? null,
    hasMetadata: isMap(template['metadata']),
  };
}

function whyLeave({ queued, spec }: Job): string | null {
  if (queued) return 'left alone, because Kueue decides when its Job starts.';
  if (spec['completionMode'] === 'Indexed') return null;
  // No completions, as many workers as there are: a work queue.
  const several = numberIn(spec, 'parallelism', 1) > 1 || numberIn(spec, 'completions', 1) > 1;
  return several ? PARALLEL : null;
}

/** With a limit for each index the Job's own one is out of reach. */
const backoffLimit = (spec: Map): number => numberIn(spec, 'backoffLimitPerIndex', numberIn(spec, 'backoffLimit', DEFAULT_BACKOFF_LIMIT));

/** Rules count in their order: an earlier one that takes the exit code of a container that was told to stop wins. */
function ignoresDisruption(policy: unknown): boolean {
  const rules = isMap(policy) && Array.isArray(policy['rules']) ? policy['rules'].filter(isMap) : [];
  for (const rule of rules) {
    if (rule['action'] === 'Ignore') {
      if (isDisruption(rule['onPodConditions'])) return true;
    } else if (isDisruption(rule['onPodConditions']) || takesStopped(rule['onExitCodes'])) return false;
  }
  return false;
}

const isDisruption = (conditions: unknown): boolean =>
  Array.isArray(conditions) && conditions.some((c) => isMap(c) && c['type'] === 'DisruptionTarget' && (c['status'] ?? 'True') === 'True');

function takesStopped(onExitCodes: unknown): boolean {
  if (!isMap(onExitCodes) || !Array.isArray(onExitCodes['values'])) return false;
  const { values, operator } = onExitCodes as { values: readonly unknown[]; operator?: unknown };
  return STOPPED.some((code) => values.includes(code) === (operator === 'In'));
}

function warnings(spec: Map): readonly string[] {
  return [...policyWarning(spec), ...deadlineWarning(spec)];
}

function policyWarning(spec: Map): readonly string[] {
  if (ignoresDisruption(spec['podFailurePolicy'])) return [];
  const moves = Math.max(0, backoffLimit(spec) - 1);
  return [
    `each evacuation of its pods counts against backoffLimit, so it is moved at most ${moves} times and then runs on demand; a podFailurePolicy that ignores DisruptionTarget lifts that.`,
  ];
}

function deadlineWarning(spec: Map): readonly string[] {
  if (!isNumber(spec['activeDeadlineSeconds'])) return [];
  return [`activeDeadlineSeconds of the Job also counts while its pods are held; ${POD.deadline} is the deadline that Nerve keeps.`];
}

const numberIn = (spec: Map, key: string, otherwise: number): number => (isNumber(spec[key]) ? spec[key] : otherwise);
