// The flags of `submit`; `quote` takes those of the job. Light: the table of commands loads it.

import { Flags } from '@oclif/core';
import { NerveError } from '../engine/errors.ts';

export const jobFlags = {
  deadline: Flags.string({ char: 'd', description: 'when it must be done: +6h, 18:00, "tomorrow 8am", "friday 18:30", 2026-11-25T08:00+01:00' }),
  duration: Flags.string({ description: 'how long one undisturbed run takes: 90m, 2h30m; default: the median of finished runs of the same name' }),
  profile: Flags.string({
    description:
      'where no duration is known: run at once on the cheapest spot, so long at most, until the program has said how long it takes; then plan',
  }),
  name: Flags.string({ description: 'name of the job; default: the name of the script' }),
  file: Flags.string({
    char: 'f',
    description:
      'YAML file with these settings (flags win) and the command; for a cluster also a pod template, or a whole Pod or Job manifest; - is standard input',
  }),
  zone: Flags.string({ multiple: true, description: 'acceptable zone id, repeatable; default: every zone of the region' }),
  'instance-type': Flags.string({ multiple: true, description: 'acceptable instance type, repeatable' }),
  interruptible: Flags.boolean({
    allowNo: true,
    description: 'it may be stopped and resumed where that pays, and so runs in the best hours; it must checkpoint',
  }),
  optimize: Flags.string({ options: ['cost', 'carbon', 'balanced'], description: 'what to look for while there is slack' }),
  'carbon-price': Flags.custom<number>({ parse: async (text) => positive(text, 'carbon-price', true) })({
    description: 'USD per tonne of CO2e in the objective',
  }),
  'max-price': Flags.custom<number>({ parse: async (text) => positive(text, 'max-price', false) })({
    description: 'never pay more, in USD/h; a cap can cost the deadline, and the quote says so',
  }),
  retries: Flags.integer({ min: 0, description: "how many of the job's own failures are forgiven" }),
  'checkpoint-uri': Flags.string({ description: 'where checkpoints go: s3://bucket/prefix or file:///folder' }),
  'time-zone': Flags.string({ description: "zone of the deadline's wall time; default: this machine's" }),
};

const IN_CLUSTER = 'IN A CLUSTER';

export const clusterFlags = {
  image: Flags.string({ description: 'container image', helpGroup: IN_CLUSTER }),
  gpus: Flags.string({ description: 'how many GPUs, and which: 1, 4, 1:l4, 8:a100', helpGroup: IN_CLUSTER }),
  cpu: Flags.string({ description: 'CPU request: 4, 500m', helpGroup: IN_CLUSTER }),
  memory: Flags.string({ description: 'memory request and limit: 16Gi', helpGroup: IN_CLUSTER }),
  env: Flags.string({ multiple: true, description: 'NAME=value, repeatable', helpGroup: IN_CLUSTER }),
  'env-from': Flags.string({
    multiple: true,
    description: 'secret/NAME or configmap/NAME, repeatable; a reference, never read',
    helpGroup: IN_CLUSTER,
  }),
  volume: Flags.string({
    multiple: true,
    description: 'claim/NAME:/path, secret/NAME:/path, configmap/NAME:/path or scratch:/path, with :ro; repeatable',
    helpGroup: IN_CLUSTER,
  }),
  'regional-volumes': Flags.boolean({
    description: 'your word that its claims can be mounted in every zone; without it Nerve leaves such a pod alone',
    helpGroup: IN_CLUSTER,
  }),
  'service-account': Flags.string({ description: 'service account of the pod', helpGroup: IN_CLUSTER }),
  'as-job': Flags.boolean({ description: 'create a batch/v1 Job instead of a bare pod', helpGroup: IN_CLUSTER }),
  'dry-run': Flags.boolean({ description: 'print the manifest, ask the cluster whether it would take it, create nothing', helpGroup: IN_CLUSTER }),
  'if-away': Flags.string({
    options: ['run', 'hold', 'fail'],
    description: 'when Nerve does not answer: run it now at full price, hold it for the watchdog, or fail (default)',
    helpGroup: IN_CLUSTER,
  }),
  yes: Flags.boolean({ description: 'with --if-away hold: a watchdog runs, although you may not see it', helpGroup: IN_CLUSTER }),
};

function positive(text: string, name: string, zero: boolean): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0 || (value === 0 && !zero))
    throw new NerveError('usage', `--${name} must be a number above ${zero ? 'or equal to ' : ''}0, not "${text}".`);
  return value;
}
