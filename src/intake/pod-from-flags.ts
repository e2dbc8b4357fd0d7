// The short way to a pod: `nerve submit --image I --gpus 1:l4 -- python train.py`. Pure; what it builds is what `--dry-run` prints. Whoever
// needs more writes a manifest.

import { NerveError } from '../engine/errors.ts';
import type { Container, PodSpec } from '../engine/pod/types.ts';
import { type Mount, volumeOf } from './volume-flag.ts';

export interface PodFlags {
  readonly image: string;
  /** Empty: the image's own entry point. */
  readonly command: readonly string[];
  /** `2`, or `1:l4`. */
  readonly gpus?: string | undefined;
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  /** `NAME=value` */
  readonly env?: readonly string[] | undefined;
  /** `secret/NAME` or `configmap/NAME`: a reference, never read. */
  readonly envFrom?: readonly string[] | undefined;
  readonly volume?: readonly string[] | undefined;
  readonly serviceAccount?: string | undefined;
}

const QUANTITY = /^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/;
const GPU = 'nvidia.com/gpu';

/** @throws NerveError `usage` naming the flag. */
export function podFromFlags(flags: PodFlags): PodSpec {
  const mounts = (flags.volume ?? []).map((text, n) => volumeOf(text, n));
  const gpus = flags.gpus === undefined ? null : gpusOf(flags.gpus);
  const container: Container = {
    name: 'main',
    image: flags.image,
    ...(flags.command.length === 0 ? {} : { command: flags.command }),
    ...list('env', (flags.env ?? []).map(envOf)),
    ...list('envFrom', (flags.envFrom ?? []).map(envFromOf)),
    ...resources(flags, gpus?.count ?? 0),
    ...list(
      'volumeMounts',
      mounts.map(({ mount }) => mount),
    ),
  };
  return {
    restartPolicy: 'Never',
    ...(flags.serviceAccount === undefined ? {} : { serviceAccountName: flags.serviceAccount }),
    // Machines with GPUs are usually tainted, so that only those who ask for one come.
    ...(gpus === null ? {} : { tolerations: [{ key: GPU, operator: 'Exists', effect: 'NoSchedule' }] }),
    containers: [container],
    ...list(
      'volumes',
      mounts.map(({ volume }: Mount) => volume),
    ),
  };
}

export interface Gpus {
  readonly count: number;
  /** `l4`, lower case; null: any. */
  readonly model: string | null;
}

/** @throws NerveError `usage`. */
export function gpusOf(text: string): Gpus {
  const [, count = '', model] = /^(\d+)(?::([a-zA-Z0-9-]+))?$/.exec(text) ?? [];
  if (Number(count) < 1) throw new NerveError('usage', `--gpus "${text}" is no number of GPUs.`, { hint: 'Write --gpus 2, or --gpus 1:l4.' });
  return { count: Number(count), model: model?.toLowerCase() ?? null };
}

function resources({ cpu, memory }: PodFlags, gpus: number): { resources?: unknown } {
  if (cpu === undefined && memory === undefined && gpus === 0) return {};
  const requests = { ...amount('cpu', cpu), ...amount('memory', memory) };
  // Memory above its request ends in an eviction that nobody asked for; CPU above it only in waiting.
  const limits = { ...amount('memory', memory), ...(gpus === 0 ? {} : { [GPU]: String(gpus) }) };
  return { resources: { ...(cpu === undefined && memory === undefined ? {} : { requests }), limits } };
}

function amount(what: 'cpu' | 'memory', text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined) return {};
  if (!QUANTITY.test(text))
    throw new NerveError('usage', `--${what} "${text}" is no quantity.`, { hint: what === 'cpu' ? 'Write 4, 0.5 or 500m.' : 'Write 16Gi or 500Mi.' });
  return { [what]: text };
}

function envOf(text: string): { readonly name: string; readonly value: string } {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  if (at < 1 || !/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name))
    throw new NerveError('usage', `--env "${text}" is not NAME=value.`, { hint: 'Values of Secrets come with --env-from secret/NAME.' });
  if (name.startsWith('NERVE_'))
    throw new NerveError('usage', `--env ${name}: names that begin with NERVE_ are Nerve's own.`, { hint: 'Choose another name.' });
  return { name, value: text.slice(at + 1) };
}

function envFromOf(text: string): unknown {
  const [, kind, name] = /^(secret|configmap)\/([a-z0-9][a-z0-9.-]*)$/.exec(text) ?? [];
  if (kind === undefined || name === undefined)
    throw new NerveError('usage', `--env-from "${text}" is neither secret/NAME nor configmap/NAME.`, {
      hint: 'For example: --env-from secret/wandb',
    });
  return { [kind === 'secret' ? 'secretRef' : 'configMapRef']: { name } };
}

const list = (name: string, values: readonly unknown[]): Readonly<Record<string, readonly unknown[]>> =>
  values.length === 0 ? {} : { [name]: values };
