// Which EC2 instance types carry a GPU model, and how many GPUs each: `--gpus 1:l4` becomes a list of acceptable types. Sizes with one GPU
// differ in CPU and memory only; the pod's own requests and the scheduler sort those out.

import { NerveError } from '../engine/errors.ts';
import type { Gpus } from './pod-from-flags.ts';

/** Model -> GPUs of a machine -> types. */
const TYPES: Readonly<Record<string, Readonly<Record<number, readonly string[]>>>> = {
  t4: { 1: sizes('g4dn', ['xlarge', '2xlarge', '4xlarge', '8xlarge', '16xlarge']), 4: ['g4dn.12xlarge'], 8: ['g4dn.metal'] },
  a10g: { 1: sizes('g5', ['xlarge', '2xlarge', '4xlarge', '8xlarge', '16xlarge']), 4: sizes('g5', ['12xlarge', '24xlarge']), 8: ['g5.48xlarge'] },
  l4: { 1: sizes('g6', ['xlarge', '2xlarge', '4xlarge', '8xlarge', '16xlarge']), 4: sizes('g6', ['12xlarge', '24xlarge']), 8: ['g6.48xlarge'] },
  l40s: { 1: sizes('g6e', ['xlarge', '2xlarge', '4xlarge', '8xlarge', '16xlarge']), 4: sizes('g6e', ['12xlarge', '24xlarge']), 8: ['g6e.48xlarge'] },
  v100: { 1: ['p3.2xlarge'], 4: ['p3.8xlarge'], 8: sizes('p3', ['16xlarge']) },
  a100: { 8: ['p4d.24xlarge', 'p4de.24xlarge'] },
  h100: { 1: ['p5.4xlarge'], 8: ['p5.48xlarge'] },
};

function sizes(family: string, names: readonly string[]): readonly string[] {
  return names.map((size) => `${family}.${size}`);
}

/** The smallest machines that have that many; null when no model was named. @throws NerveError `usage`. */
export function typesWith({ count, model }: Gpus): readonly string[] | null {
  if (model === null) return null;
  const machines = TYPES[model];
  if (machines === undefined)
    throw new NerveError('usage', `Nerve does not know a GPU "${model}".`, {
      hint: `Known: ${Object.keys(TYPES).join(', ')}. For another: --gpus ${count} --instance-type TYPE.`,
    });
  const enough = Object.keys(machines)
    .map(Number)
    .find((gpus) => gpus >= count);
  const types = enough === undefined ? undefined : machines[enough];
  if (types === undefined)
    throw new NerveError('usage', `No machine with ${count} GPUs of type ${model} is known.`, {
      hint: `At most ${Object.keys(machines).at(-1)} of them.`,
    });
  return types;
}
