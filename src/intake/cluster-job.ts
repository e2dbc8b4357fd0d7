// From flags, file and defaults to the object that is created in the cluster: a Pod, or with --as-job (or from a Job manifest) a Job, with
// Nerve's label and the asked annotations on the pod. What the user wrote stays as it is. Pure.

import type { ContextDefaults } from '../config/schema.ts';
import { NerveError } from '../engine/errors.ts';
import { ASYNC_TIER, POD, TIER_LABEL } from '../engine/pod/names.ts';
import type { ObjectMeta, PodSpec } from '../engine/pod/types.ts';
import type { Manifest } from '../ports.ts';
import { typesWith } from './gpu-types.ts';
import type { Asked } from './job-file.ts';
import { gpusOf, podFromFlags } from './pod-from-flags.ts';
import { checkedName, checkpointUri, jobName, type SubmitFlags } from './spec.ts';

/** The flags that only a cluster understands. */
export interface ClusterFlags {
  readonly image?: string | undefined;
  readonly gpus?: string | undefined;
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  readonly env?: readonly string[] | undefined;
  readonly 'env-from'?: readonly string[] | undefined;
  readonly volume?: readonly string[] | undefined;
  readonly 'regional-volumes'?: boolean | undefined;
  readonly 'service-account'?: string | undefined;
  readonly 'as-job'?: boolean | undefined;
}

export interface ClusterJobInput {
  readonly flags: SubmitFlags & ClusterFlags;
  readonly asked: Asked;
  readonly command: readonly string[];
  readonly defaults: ContextDefaults;
  /** Null: none was given; an annotation of the manifest may say it. */
  readonly deadlineMs: number | null;
  readonly workMs: number | null;
}

interface Template {
  readonly metadata: ObjectMeta;
  readonly spec: PodSpec;
}

/** The Job controller's own failures, and a move does not count: it is no failure of the job's. */
const JOB_POLICY = {
  rules: [
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] },
    { action: 'Ignore', onExitCodes: { operator: 'In', values: [75] } },
  ],
};

/** @throws NerveError `usage` naming what is missing or contradicts. */
export function clusterJob(input: ClusterJobInput): Manifest {
  const { flags, asked } = input;
  const { manifest } = asked;
  if (flags.name !== undefined) checkedName(flags.name);
  const annotations = annotationsOf(input);
  if (manifest?.kind === 'Job') {
    refuseBeside(input, 'a Job manifest', flags['as-job'] === true ? ['as-job'] : []);
    const spec = manifest.spec as { readonly template: Template };
    return { ...manifest, metadata: named(manifest.metadata, flags.name), spec: { ...spec, template: marked(spec.template, annotations) } };
  }
  const template = marked(templateOf(input), annotations);
  const name = manifest === null ? `${podName(input)}-` : null;
  const metadata = name === null ? template.metadata : { ...without(template.metadata, 'name'), generateName: name };
  if (flags['as-job'] !== true) return { apiVersion: 'v1', kind: 'Pod', metadata: named(metadata, flags.name), spec: template.spec };
  const retries = flags.retries ?? asked.file.retries ?? 3;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: named(pick(metadata), flags.name),
    spec: {
      backoffLimit: retries,
      podFailurePolicy: JOB_POLICY,
      template: {
        metadata: {
          ...(template.metadata.labels === undefined ? {} : { labels: template.metadata.labels }),
          annotations: template.metadata.annotations ?? {},
        },
        spec: { ...template.spec, restartPolicy: 'Never' },
      },
    },
  };
}

function templateOf(input: ClusterJobInput): Template {
  const { asked, flags, command, defaults } = input;
  if (asked.manifest !== null) {
    refuseBeside(input, 'a Pod manifest');
    return { metadata: asked.manifest.metadata, spec: asked.manifest.spec as PodSpec };
  }
  if (asked.file.template !== undefined) {
    refuseBeside(input, 'a pod template', asked.file.command === undefined ? [] : ['command']);
    const { metadata, spec } = asked.file.template as { readonly metadata?: ObjectMeta; readonly spec: PodSpec };
    return { metadata: metadata ?? {}, spec: { restartPolicy: 'Never', ...spec } };
  }
  const image = flags.image ?? defaults.image;
  if (image === undefined)
    throw new NerveError('usage', 'The job has no image, so no cluster can run it.', {
      hint: 'Add --image, or a manifest with --file. To run the command on this machine: start "nerve up", and --target local.',
    });
  const spec = podFromFlags({
    image,
    command,
    gpus: flags.gpus ?? defaults.gpus,
    cpu: flags.cpu ?? defaults.cpu,
    memory: flags.memory ?? defaults.memory,
    env: flags.env,
    envFrom: flags['env-from'],
    volume: flags.volume,
    serviceAccount: flags['service-account'] ?? defaults.serviceAccount,
  });
  return { metadata: {}, spec };
}

/** A manifest says itself what runs: a flag that would change it is refused, never ignored. */
function refuseBeside({ flags, command }: ClusterJobInput, what: string, more: readonly string[] = []): void {
  const given = (['image', 'gpus', 'cpu', 'memory', 'env', 'env-from', 'volume', 'service-account'] as const).filter(
    (name) => flags[name] !== undefined,
  );
  const all = [
    ...given.map((name) => `--${name}`),
    ...more.map((name) => (name === 'command' ? 'the file\'s "command"' : `--${name}`)),
    ...(command.length > 0 && !more.includes('command') ? ['a command'] : []),
  ];
  if (all.length === 0) return;
  throw new NerveError('usage', `${what.replace(/^a/, 'A')} says itself what runs; it does not go with ${all.join(', ')}.`, {
    hint: 'Write it into the manifest.',
  });
}

function annotationsOf({ flags, asked: { file }, defaults, deadlineMs, workMs }: ClusterJobInput): Readonly<Record<string, string>> {
  const gpus = flags.gpus ?? (file.template === undefined ? defaults.gpus : undefined);
  const types = flags['instance-type'] ?? file['instance-types'] ?? (gpus === undefined ? null : typesWith(gpusOf(gpus))) ?? defaults.instanceTypes;
  const uri = flags['checkpoint-uri'] ?? file['checkpoint-uri'] ?? defaults.checkpointUri;
  const values: Readonly<Record<string, string | undefined>> = {
    [POD.deadline]: deadlineMs === null ? undefined : rfc3339(deadlineMs),
    [POD.expectedDuration]: workMs === null ? undefined : lengthText(workMs),
    [POD.optimize]: flags.optimize ?? file.optimize ?? defaults.optimize,
    [POD.carbonPrice]: numberText(flags['carbon-price'] ?? file['carbon-price']),
    [POD.maxPrice]: numberText(flags['max-price'] ?? file['max-price']),
    [POD.retries]: numberText(flags.retries ?? file.retries),
    [POD.zones]: (flags.zone ?? file.zones ?? defaults.zones)?.join(','),
    [POD.instanceTypes]: types?.join(','),
    [POD.checkpointUri]: uri === undefined ? undefined : checkpointUri(uri),
    [POD.volumes]: flags['regional-volumes'] === true ? 'regional' : undefined,
  };
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function marked({ metadata, spec }: Template, annotations: Readonly<Record<string, string>>): Template {
  return {
    metadata: {
      ...metadata,
      labels: { ...metadata?.labels, [TIER_LABEL]: ASYNC_TIER },
      annotations: { ...metadata?.annotations, ...annotations },
    },
    spec,
  };
}

/** Submitted twice, a name that is only a beginning does not clash, and finished runs of one name teach the next. */
function podName({ flags, asked: { file }, command, defaults }: ClusterJobInput): string {
  const template = file.template?.metadata;
  const image = (flags.image ?? defaults.image)
    ?.replace(/[:@].*$/, '')
    .split('/')
    .at(-1);
  const words = command.length > 0 || image === undefined ? command : [image];
  return dnsName(template?.generateName ?? template?.name ?? jobName(flags, file, words));
}

const dnsName = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40) || 'job';

const named = (metadata: ObjectMeta, name: string | undefined): ObjectMeta =>
  name === undefined ? metadata : { ...without(metadata, 'name'), generateName: `${dnsName(name)}-` };

function pick({ name, generateName }: ObjectMeta): ObjectMeta {
  return name === undefined ? { generateName: generateName ?? 'job-' } : { name };
}

function without(metadata: ObjectMeta, field: 'name'): ObjectMeta {
  const { [field]: _, ...rest } = metadata;
  return rest;
}

/** Whole seconds are enough for a deadline. */
export const rfc3339 = (atMs: number): string => new Date(Math.floor(atMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');

const lengthText = (ms: number): string => (ms % 60_000 === 0 ? `${ms / 60_000}m` : `${Math.ceil(ms / 1000)}s`);

const numberText = (value: number | undefined): string | undefined => (value === undefined ? undefined : String(value));
