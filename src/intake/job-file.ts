// A job as a YAML file: the same names as the flags of `nerve submit`, which win over it. For a cluster it may hold a pod template, or be a
// bare PodTemplateSpec, or the whole Pod or Job manifest that the user already has.

import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { NerveError } from '../engine/errors.ts';
import type { Manifest } from '../ports.ts';

const words = z.union([
  z
    .string()
    .min(1)
    .transform((text) => ['/bin/sh', '-c', text]),
  z.array(z.string()).min(1),
]);

const metadata = z.looseObject({
  name: z.string().optional(),
  generateName: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const podSpec = z.looseObject({ containers: z.array(z.looseObject({ name: z.string(), image: z.string() })).min(1) });
const podTemplate = z.looseObject({ metadata: metadata.optional(), spec: podSpec });
const SCHEMAS = {
  'v1 Pod': z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata, spec: podSpec }),
  'batch/v1 Job': z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata, spec: z.looseObject({ template: podTemplate }) }),
} as const;

const jobFileSchema = z.strictObject({
  name: z.string().min(1).optional(),
  deadline: z.string().optional(),
  duration: z.string().optional(),
  profile: z.string().optional(),
  /** A list is argv; a string is given to /bin/sh. */
  command: words.optional(),
  zones: z.array(z.string()).min(1).optional(),
  'instance-types': z.array(z.string()).min(1).optional(),
  interruptible: z.boolean().optional(),
  optimize: z.enum(['cost', 'carbon', 'balanced']).optional(),
  'carbon-price': z.number().min(0).optional(),
  'max-price': z.number().positive().optional(),
  retries: z.number().int().min(0).optional(),
  'checkpoint-uri': z.string().optional(),
  'time-zone': z.string().optional(),
  /** A PodTemplateSpec: what runs in a cluster. */
  template: podTemplate.optional(),
});

export type JobFile = z.infer<typeof jobFileSchema>;

export interface Asked {
  readonly file: JobFile;
  /** A whole object of the user's; null when the file says what to run in its own words. */
  readonly manifest: Manifest | null;
}

/** A file, or `-` for standard input. @throws NerveError `usage` naming the file and the fault. */
export function readAsked(path: string): Asked {
  const value = readYaml(path);
  if (typeof value === 'object' && value !== null) {
    if ('kind' in value || 'apiVersion' in value) return { file: {}, manifest: asManifest(value, path) };
    if ('spec' in value) return { file: fieldsOf({ template: value }, path), manifest: null };
  }
  return { file: fieldsOf(value, path), manifest: null };
}

/** For this machine. @throws NerveError `usage` also for a file that needs a cluster. */
export function readJobFile(path: string): JobFile {
  const { file, manifest } = readAsked(path);
  if (manifest === null && file.template === undefined) return file;
  throw new NerveError('usage', `${path} describes a pod, and this machine runs no pods.`, {
    hint: 'Choose a cluster (--target cluster, or --context NAME), or write a command instead.',
  });
}

function asManifest(value: { readonly apiVersion?: unknown; readonly kind?: unknown }, path: string): Manifest {
  const what = `${String(value.apiVersion)} ${String(value.kind)}`;
  const schema = what === 'v1 Pod' || what === 'batch/v1 Job' ? SCHEMAS[what] : null;
  if (schema === null)
    throw new NerveError('usage', `${path} is a ${what}; Nerve runs a v1 Pod or a batch/v1 Job.`, {
      hint: 'A job has an end: write its pod template as a Job.',
    });
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data as unknown as Manifest;
  throw faultOf(parsed.error, path, `A ${what} needs metadata and ${what === 'v1 Pod' ? 'spec.containers' : 'spec.template.spec.containers'}.`);
}

function fieldsOf(value: unknown, path: string): JobFile {
  const parsed = jobFileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw faultOf(parsed.error, path, `A job file may hold: ${Object.keys(jobFileSchema.shape).join(', ')}.`);
}

function faultOf(error: z.ZodError, path: string, hint: string): NerveError {
  const issue = error.issues[0];
  return new NerveError('usage', `${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'not valid'}.`, { hint });
}

function readYaml(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    throw new NerveError('usage', `Cannot read the job file ${path}.`, { cause, hint: 'Check the path given with --file.' });
  }
  const documents = parseAllDocuments(text);
  if (documents.length > 1)
    throw new NerveError('usage', `${path} holds ${documents.length} documents; a job is one.`, { hint: 'Submit them one after the other.' });
  const document = documents[0];
  const fault = document?.errors[0];
  if (fault !== undefined)
    throw new NerveError('usage', `${path} is not valid YAML: ${fault.message.split('\n')[0] ?? ''}`, { cause: fault, hint: 'Correct the file.' });
  return document?.toJS() ?? {};
}
