// What of a pod matters to the doctor, and quantities as numbers.

import { ENV, POD } from '../engine/pod/names.ts';
import type { Pod } from '../engine/pod/types.ts';
import type { PodLook } from './facts.ts';

/** Kubernetes' own default. */
const GRACE_SECONDS = 30;
const UNITS: Readonly<Record<string, number>> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** `500m`, `16Gi`, `4`; 0 for what is no quantity. */
export function amount(text: string): number {
  const [, value = '', unit = ''] = /^([0-9.]+)([a-zA-Z]*)$/.exec(text) ?? [];
  return value === '' ? 0 : Number(value) * (UNITS[unit] ?? 0);
}

export function lookAtPod({ metadata, spec }: Pod): PodLook {
  const annotations = metadata.annotations ?? {};
  const env = spec.containers.flatMap((container) => container.env ?? []).find(({ name }) => name === ENV.checkpointUri);
  return {
    name: metadata.name ?? metadata.generateName ?? 'the pod',
    graceSeconds: spec.terminationGracePeriodSeconds ?? GRACE_SECONDS,
    saveMs: saveOf(annotations[POD.lastCheckpoint]),
    claims: (spec.volumes ?? []).flatMap(
      (volume) => (volume['persistentVolumeClaim'] as { readonly claimName?: string } | undefined)?.claimName ?? [],
    ),
    regional: annotations[POD.volumes] === 'regional',
    tolerations: spec.tolerations ?? [],
    requests: requestsOf(spec.containers),
    checkpointUri: env?.value ?? annotations[POD.checkpointUri] ?? null,
    serviceAccount: typeof spec['serviceAccountName'] === 'string' ? spec['serviceAccountName'] : 'default',
  };
}

function saveOf(text: string | undefined): number | null {
  try {
    const { durationMs } = JSON.parse(text ?? '') as { readonly durationMs?: unknown };
    return typeof durationMs === 'number' ? durationMs : null;
  } catch {
    return null;
  }
}

function requestsOf(containers: Pod['spec']['containers']): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const container of containers) {
    const { requests = {}, limits = {} } = (container['resources'] ?? {}) as {
      readonly requests?: Readonly<Record<string, string>>;
      readonly limits?: Readonly<Record<string, string>>;
    };
    for (const [resource, text] of Object.entries({ ...limits, ...requests })) sums[resource] = (sums[resource] ?? 0) + amount(text);
  }
  return sums;
}
