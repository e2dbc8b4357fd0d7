// Every pod that the chart may start, whatever starts it, with what its containers are given.

import type { Manifest } from './helm.ts';

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly resources: { readonly requests: Readonly<Record<string, string>>; readonly limits: Readonly<Record<string, string>> };
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly ports?: readonly unknown[];
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly hostNetwork?: boolean;
  readonly dnsPolicy?: string;
  readonly restartPolicy?: string;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
  readonly affinity?: Readonly<Record<string, unknown>>;
  readonly tolerations?: readonly unknown[];
  readonly priorityClassName?: string;
}

/** By "Kind name". */
export function pods(manifests: readonly Manifest[]): ReadonlyMap<string, PodSpec> {
  const found = new Map<string, PodSpec>();
  for (const manifest of manifests) {
    const spec = podSpec(manifest['spec'], manifest.kind);
    if (spec !== null) found.set(`${manifest.kind} ${manifest.metadata.name}`, spec);
  }
  return found;
}

type Loose = Readonly<Record<string, unknown>>;

function podSpec(spec: unknown, kind: string): PodSpec | null {
  if (kind === 'Pod') return spec as PodSpec;
  if (kind === 'CronJob') return podSpec((spec as { jobTemplate: { spec: unknown } }).jobTemplate.spec, 'Job');
  const template = (spec as Loose | undefined)?.['template'] as Loose | undefined;
  return template === undefined ? null : (template['spec'] as PodSpec);
}

export function containers(spec: PodSpec): readonly Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}
