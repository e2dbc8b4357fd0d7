// Attempt n+1 of a bare pod: a copy of a pod that the API server admitted. Same namespace and service account; only name, affinity,
// gate, tolerations, NERVE_* environment and nerve.io/* metadata differ, and it never restarts by itself.

import type { Placement } from '../decision.ts';
import { ASYNC_TIER, ENV, HOLD_GATE, JOB_ID_LABEL, POD, TIER_LABEL } from './names.ts';
import type { Dialect } from './node.ts';
import { attemptName } from './observe.ts';
import { pin } from './pin.ts';
import { launchedAsText, rfc3339 } from './read.ts';
import type { Container, EnvVar, ObjectMeta, Pod, PodSpec } from './types.ts';

export interface AttemptAsk {
  readonly jobId: string;
  readonly attempt: number;
  readonly ranked: readonly Placement[];
  readonly handover: { readonly previousAttempt: number; readonly waitSealedUntilMs: number } | null;
  readonly deadlineMs: number;
  /** Random, of this attempt alone. */
  readonly hookToken: string;
  readonly nowMs: number;
}

export interface Manifest {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly metadata: ObjectMeta;
  readonly spec: PodSpec;
}

/** Set anew for each attempt: what the last one was, did or was asked is not true of this one. */
const OF_ONE_ATTEMPT: ReadonlySet<string> = new Set([
  POD.launchedAs,
  POD.attempt,
  POD.stopRequest,
  POD.deletedBy,
  POD.progress,
  POD.resumed,
  POD.lastCheckpoint,
  POD.drill,
  POD.drillResult,
  POD.request,
]);

/** The pod as it is worth keeping: what the server, the scheduler, a debugger or an attempt added is left out. */
export function keptPod(pod: Pod): Pod {
  const { namespace, labels, annotations, name } = pod.metadata;
  // No pod can be created with ephemeral containers.
  const { nodeName: _, schedulingGates: __, ephemeralContainers: ___, ...spec } = pod.spec;
  const kept = Object.entries(annotations ?? {}).filter(
    ([key]) => !OF_ONE_ATTEMPT.has(key) && key !== 'kubectl.kubernetes.io/last-applied-configuration',
  );
  const metadata: ObjectMeta = {
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
    annotations: Object.fromEntries(kept),
  };
  const gates = (pod.spec.schedulingGates ?? []).filter((gate) => gate.name !== HOLD_GATE);
  return { metadata, spec: gates.length === 0 ? spec : { ...spec, schedulingGates: gates } };
}

export function attemptPod(kept: Pod, ask: AttemptAsk, dialect: Dialect): { readonly pod: Manifest; readonly warning: string | null } {
  const { metadata, spec } = keptPod(kept);
  const [first] = ask.ranked;
  const own = unpinned(spec, kept);
  const { affinity, warning } = pin(own, ask.ranked, dialect, false);
  const asked = {
    attempt: ask.attempt,
    zone: first?.zone ?? 'unknown',
    instanceType: first?.instanceType ?? 'unknown',
    capacityType: first?.capacityType ?? ('on-demand' as const),
    priceUsdPerHour: first?.priceUsdPerHour ?? null,
    atMs: ask.nowMs,
  };
  const environment = attemptEnvironment(ask);
  const { affinity: _, ...rest } = spec;
  return {
    warning,
    pod: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: attemptName(ask.jobId, ask.attempt),
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        labels: { ...metadata.labels, [TIER_LABEL]: ASYNC_TIER, [JOB_ID_LABEL]: ask.jobId },
        annotations: {
          ...metadata.annotations,
          [POD.attempt]: String(ask.attempt),
          [POD.launchedAs]: launchedAsText(asked),
          [POD.ownAffinity]: JSON.stringify(own.affinity ?? null),
        },
      },
      spec: {
        ...rest,
        ...(affinity === undefined ? {} : { affinity }),
        restartPolicy: 'Never',
        containers: spec.containers.map((container) => withEnvironment(container, environment)),
      },
    },
  };
}

/** A kept pod that was already pinned once (taken from a live pod) must not be pinned twice: what its user wrote is kept beside it. */
function unpinned(spec: PodSpec, kept: Pod): PodSpec {
  const own = kept.metadata.annotations?.[POD.ownAffinity];
  if (own === undefined) return spec;
  const { affinity: _, ...rest } = spec;
  try {
    const affinity = JSON.parse(own) as PodSpec['affinity'] | null;
    return affinity === null || affinity === undefined ? rest : { ...rest, affinity };
  } catch {
    return spec;
  }
}

function attemptEnvironment(ask: AttemptAsk): Readonly<Record<string, string | null>> {
  return {
    [ENV.jobId]: ask.jobId,
    [ENV.attempt]: String(ask.attempt),
    [ENV.deadline]: rfc3339(ask.deadlineMs),
    [ENV.hookToken]: ask.hookToken,
    [ENV.previousAttempt]: ask.handover === null ? null : String(ask.handover.previousAttempt),
    [ENV.waitSealedUntil]: ask.handover === null ? null : rfc3339(ask.handover.waitSealedUntilMs),
  };
}

/** Only containers that the webhook gave the environment to; null takes a variable away. */
function withEnvironment(container: Container, values: Readonly<Record<string, string | null>>): Container {
  const old = container.env ?? [];
  if (!old.some((variable) => variable.name === ENV.jobId)) return container;
  const added = Object.entries(values).flatMap(([name, value]): EnvVar[] => (value === null ? [] : [{ name, value }]));
  return { ...container, env: [...old.filter((variable) => !(variable.name in values)), ...added] };
}
