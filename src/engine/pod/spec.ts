// An adopted pod becomes a JobSpec. What its user wrote in annotations is believed where it can be read; what cannot be read is warned
// about and ignored, never fatal (docs/decisions/0009-the-cluster-wire.md). A pod without deadline or without a known length starts at once.

import type { JobSpec, Optimize, PodProgram } from '../job.ts';
import { ENV, LABELS, POD } from './names.ts';
import { jobIdOf } from './observe.ts';
import { annotation, instant, length, list, withoutLastSlashes } from './read.ts';
import type { Pod } from './types.ts';

export interface SpecFacts {
  readonly nowMs: number;
  /** Every instance type on offer: what a pod may run on that says nothing. Never empty. */
  readonly knownTypes: readonly string[];
  readonly defaults: { readonly optimize: Optimize; readonly retries: number };
  readonly carbonPriceUsdPerTonne: Readonly<Record<Optimize, number>>;
  /** Of finished runs of this name; null: none. */
  readonly medianMs: number | null;
  /** Where Nerve may create the next attempt of a bare pod; null: everywhere. */
  readonly jobNamespaces: readonly string[] | null;
}

export interface Adopted {
  readonly spec: JobSpec;
  /** True: never held. */
  readonly atOnce: boolean;
  readonly warnings: readonly string[];
}

/** A pod without a deadline gets one that never presses. */
const NO_DEADLINE_MS = 30 * 24 * 3_600_000;
const UNKNOWN_LENGTH_MS = 3_600_000;
const OPTIMIZE = ['cost', 'carbon', 'balanced'] as const;

/** Runs of one name teach how long the next one takes: the owner's name, else the generateName, else the pod's own. */
export function jobNameOf(pod: Pod): string {
  const { ownerReferences, generateName, name } = pod.metadata;
  const owner = ownerReferences?.find((reference) => reference.controller === true)?.name;
  return owner ?? generateName?.replace(/-+$/, '') ?? name ?? 'job';
}

function programOf(pod: Pod): PodProgram {
  const owned = pod.metadata.ownerReferences?.some((reference) => reference.kind === 'Job' && reference.apiVersion.startsWith('batch/')) ?? false;
  return { kind: 'pod', namespace: pod.metadata.namespace ?? 'default', owner: owned ? 'job' : 'none' };
}

/** Null: no job of Nerve's. */
export function specFromPod(pod: Pod, facts: SpecFacts): Adopted | null {
  const id = jobIdOf(pod);
  if (id === null) return null;
  const warnings: string[] = [];
  const read = <T>(name: string, parse: (text: string) => T | null, example: string): T | null => {
    const written = annotation(pod, name);
    if (written === null) return null;
    const value = parse(written);
    if (value === null) warnings.push(`${name}: "${written.slice(0, 80)}" cannot be read and is ignored; write it like ${example}`);
    return value;
  };
  const submittedAtMs = instant(pod.metadata.creationTimestamp) ?? facts.nowMs;
  const deadlineMs = read(POD.deadline, instant, '2026-11-25T18:00:00+01:00');
  const askedMs = read(POD.expectedDuration, length, '2h30m');
  const optimize = read(POD.optimize, (text) => OPTIMIZE.find((name) => name === text) ?? null, OPTIMIZE.join(', ')) ?? facts.defaults.optimize;
  const workMs = askedMs ?? facts.medianMs;
  const spec: JobSpec = {
    id,
    name: jobNameOf(pod),
    submittedAtMs,
    deadlineMs: deadlineMs ?? submittedAtMs + NO_DEADLINE_MS,
    workMs: workMs ?? UNKNOWN_LENGTH_MS,
    workSource: askedMs === null ? 'median-of-finished' : 'user',
    optimize,
    carbonPriceUsdPerTonne: read(POD.carbonPrice, amount, '80') ?? facts.carbonPriceUsdPerTonne[optimize],
    maxPriceUsdPerHour: read(POD.maxPrice, amount, '0.45'),
    zones: read(POD.zones, list, 'eu-west-3a,eu-west-3b'),
    instanceTypes: read(POD.instanceTypes, list, 'g6.xlarge,g4dn.xlarge') ?? ownTypes(pod) ?? facts.knownTypes,
    retries: read(POD.retries, count, '3') ?? facts.defaults.retries,
    checkpointUri: read(POD.checkpointUri, uri, 's3://bucket/prefix') ?? uriOfEnvironment(pod),
    program: programOf(pod),
    ...capacityOf(pod, facts, deadlineMs),
  };
  return { spec, atOnce: deadlineMs === null || workMs === null, warnings };
}

/** What this pod can have beside price and time (engine/capacity.ts). */
function capacityOf(pod: Pod, { jobNamespaces }: SpecFacts, deadlineMs: number | null): Pick<JobSpec, 'onDemandOnly' | 'maxEvictions' | 'spotOnly'> {
  const { namespace, owner } = programOf(pod);
  // A Job that is older than the webhook says nothing of its limit: it counts as 0.
  const limit = Number(annotation(pod, POD.backoffLimit) ?? 0);
  const counted = owner === 'job' && annotation(pod, POD.ignoresDisruption) !== 'true';
  return {
    ...(owner === 'none' && jobNamespaces?.includes(namespace) === false ? { onDemandOnly: true } : {}),
    ...(counted ? { maxEvictions: Number.isSafeInteger(limit) ? Math.max(0, limit - 1) : 0 } : {}),
    ...(deadlineMs === null && annotation(pod, POD.capacityFallback) !== 'on-demand' ? { spotOnly: true } : {}),
  };
}

function amount(text: string): number | null {
  const value = Number(text);
  return text.trim() !== '' && Number.isFinite(value) && value >= 0 ? value : null;
}

function count(text: string): number | null {
  const value = Number(text);
  return /^\d{1,3}$/.test(text) && value <= 100 ? value : null;
}

const uri = (text: string): string | null => (/^s3:\/\/[^/]+/.test(text) || /^file:\/\/\/[^/]/.test(text) ? withoutLastSlashes(text) : null);

function uriOfEnvironment(pod: Pod): string {
  for (const { env } of pod.spec.containers) {
    const value = env?.find((variable) => variable.name === ENV.checkpointUri)?.value;
    if (value !== undefined) return value;
  }
  return '';
}

/** What the pod's own rules name. */
function ownTypes(pod: Pod): readonly string[] | null {
  const selected = pod.spec.nodeSelector?.[LABELS.instanceType];
  if (selected !== undefined) return [selected];
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const named = terms.map((term) => term.matchExpressions?.find((e) => e.key === LABELS.instanceType && e.operator === 'In')?.values ?? []);
  const all = [...new Set(named.flat())];
  return named.length > 0 && named.every((values) => values.length > 0) ? all : null;
}
