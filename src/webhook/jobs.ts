// The second rule, for Jobs: what Nerve must know of a Job in order to move its pods, written on its pod template, because Nerve has no right
// to read Jobs (DESIGN section 5).

import { atMost, backoffLimitOf, ignoresDisruption, movesOfJob } from '../engine/pod/job-failures.ts';
import { ASYNC_TIER, POD, TIER_LABEL } from '../engine/pod/names.ts';
import { PARALLEL } from './left-alone.ts';
import { wordsPatch } from './patch.ts';
import { isAbsent, isMap, isMeta, isNumber, type Map, untouched, type Verdict } from './review.ts';

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
    [POD.backoffLimit]: String(backoffLimitOf(job.spec)),
    [POD.ignoresDisruption]: String(ignoresDisruption(job.spec)),
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

function warnings(spec: Map): readonly string[] {
  return [...policyWarning(spec), ...deadlineWarning(spec)];
}

function policyWarning(spec: Map): readonly string[] {
  const moves = movesOfJob(spec);
  if (moves === null) return [];
  return [
    `each evacuation of its pods counts against backoffLimit, so it is moved ${atMost(moves)} and then runs on demand; a podFailurePolicy that ignores DisruptionTarget lifts that.`,
  ];
}

function deadlineWarning(spec: Map): readonly string[] {
  if (!isNumber(spec['activeDeadlineSeconds'])) return [];
  return [`activeDeadlineSeconds of the Job also counts while its pods are held; ${POD.deadline} is the deadline that Nerve keeps.`];
}

const numberIn = (spec: Map, key: string, otherwise: number): number => (isNumber(spec[key]) ? spec[key] : otherwise);
