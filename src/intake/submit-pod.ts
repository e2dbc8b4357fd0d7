// Intake in a cluster: first a create with dryRun=All, which asks the API server (rights, quota, policies) and Nerve's webhook at once and leaves
// nothing behind; then the real create; then the worker's acknowledgement, for a bounded time (DESIGN sections 2 and 5).

import { NerveError } from '../engine/errors.ts';
import { HOLD_GATE, JOB_ID_LABEL, TIER_LABEL } from '../engine/pod/names.ts';
import type { ObjectMeta, PodSpec } from '../engine/pod/types.ts';
import type { Manifest, UserCluster } from '../ports.ts';
import { versionOn } from './probe.ts';

/** `untouched`: Nerve lives and leaves this pod alone; it said why. */
export type Intake = { readonly nerve: 'adopts' | 'away' } | { readonly nerve: 'untouched'; readonly why: readonly string[] };

export interface Tried {
  readonly intake: Intake;
  readonly warnings: readonly string[];
}

/** @throws NerveError as the API server refuses it. */
export async function tryCreate(cluster: UserCluster, job: Manifest): Promise<Tried> {
  const { object, warnings } = await cluster.create(job, { dryRun: true });
  if (job.kind === 'Pod') return { intake: judge(object, warnings), warnings };
  // The webhook shows itself on pods only. The pod of a Job is the Job controller's to create: whoever may not has to believe in Nerve.
  const probe = await cluster.create(podOf(job), { dryRun: true }).catch((error: unknown) => {
    if (error instanceof NerveError && error.kind === 'refused') return null;
    throw error;
  });
  if (probe === null) return { intake: { nerve: 'adopts' }, warnings };
  return { intake: judge(probe.object, probe.warnings), warnings: [...warnings, ...probe.warnings] };
}

function judge(object: Manifest, warnings: readonly string[]): Intake {
  if (versionOn(object) !== null && object.metadata.labels?.[JOB_ID_LABEL] !== undefined) return { nerve: 'adopts' };
  const why = warnings.filter((text) => /^nerve\b/i.test(text));
  // A webhook whose worker is dead says so itself.
  return why.length > 0 && !why.some((text) => text.includes('does not answer')) ? { nerve: 'untouched', why } : { nerve: 'away' };
}

/** The first pod that the Job controller would make of it. */
export function podOf(job: Manifest): Manifest {
  const { template } = job.spec as { readonly template: { readonly metadata?: ObjectMeta; readonly spec: PodSpec } };
  const generateName = job.metadata.generateName ?? `${job.metadata.name ?? 'job'}-`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName, ...pick(template.metadata) },
    spec: { ...template.spec, restartPolicy: template.spec.restartPolicy ?? 'Never' },
  };
}

const pick = (metadata: ObjectMeta = {}): ObjectMeta => ({ labels: metadata.labels ?? {}, annotations: metadata.annotations ?? {} });

/** Label selector of the pods that come of a created object. */
export function selectorOf({ kind, metadata }: Manifest): string {
  const id = metadata.labels?.[JOB_ID_LABEL];
  return kind === 'Job' || id === undefined ? `batch.kubernetes.io/job-name=${metadata.name ?? ''}` : `${JOB_ID_LABEL}=${id}`;
}

/** Without Nerve's label and gate: the default scheduler starts it at once, and a Nerve that comes back lets it be. */
export function withoutNerve(job: Manifest): Manifest {
  if (job.kind === 'Pod') return { ...job, metadata: unlabelled(job.metadata), spec: ungated(job.spec as PodSpec) };
  const spec = job.spec as { readonly template: { readonly metadata?: ObjectMeta; readonly spec: PodSpec } };
  const { template } = spec;
  return { ...job, spec: { ...spec, template: { ...template, metadata: unlabelled(template.metadata ?? {}), spec: ungated(template.spec) } } };
}

function unlabelled(metadata: ObjectMeta): ObjectMeta {
  const { [TIER_LABEL]: _, ...labels } = metadata.labels ?? {};
  return { ...metadata, labels };
}

const ungated = ({ schedulingGates, ...spec }: PodSpec): PodSpec =>
  schedulingGates === undefined ? spec : { ...spec, schedulingGates: schedulingGates.filter(({ name }) => name !== HOLD_GATE) };
