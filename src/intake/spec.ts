// From flags, file and configuration to a JobSpec. Flags win over the file, the file over the configuration.

import { basename } from 'node:path';
import type { Config } from '../config/schema.ts';
import { NerveError } from '../engine/errors.ts';
import type { JobSpec, Optimize } from '../engine/job.ts';
import { CARBON_PRICE_USD_PER_TONNE } from '../engine/objective.ts';
import type { JobFile } from './job-file.ts';

export interface SubmitFlags {
  readonly name?: string | undefined;
  readonly deadline?: string | undefined;
  readonly duration?: string | undefined;
  readonly profile?: string | undefined;
  readonly zone?: readonly string[] | undefined;
  readonly 'instance-type'?: readonly string[] | undefined;
  readonly interruptible?: boolean | undefined;
  readonly optimize?: string | undefined;
  readonly 'carbon-price'?: number | undefined;
  readonly 'max-price'?: number | undefined;
  readonly retries?: number | undefined;
  readonly 'checkpoint-uri'?: string | undefined;
}

export interface SpecInput {
  readonly id: string;
  readonly flags: SubmitFlags;
  readonly file: JobFile;
  readonly config: Config;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly nowMs: number;
  readonly deadlineMs: number;
  readonly work: { readonly ms: number; readonly source: JobSpec['workSource'] };
  readonly defaultCheckpointDir: string;
}

export function buildSpec(input: SpecInput): JobSpec {
  const { flags, file, config } = input;
  const optimize = (flags.optimize ?? file.optimize ?? config.job.optimize) as Optimize;
  return {
    id: input.id,
    name: jobName(flags, file, input.command),
    submittedAtMs: input.nowMs,
    deadlineMs: input.deadlineMs,
    workMs: input.work.ms,
    workSource: input.work.source,
    ...(input.work.source === 'profile' ? { profileMs: input.work.ms } : {}),
    ...((flags.interruptible ?? file.interruptible) === true ? { interruptible: true } : {}),
    optimize,
    carbonPriceUsdPerTonne: flags['carbon-price'] ?? file['carbon-price'] ?? CARBON_PRICE_USD_PER_TONNE[optimize],
    maxPriceUsdPerHour: flags['max-price'] ?? file['max-price'] ?? null,
    zones: flags.zone ?? file.zones ?? config.job.zones,
    instanceTypes: flags['instance-type'] ?? file['instance-types'] ?? config.job.instanceTypes,
    retries: flags.retries ?? file.retries ?? config.job.retries,
    checkpointUri: checkpointUri(flags['checkpoint-uri'] ?? file['checkpoint-uri'] ?? `file://${input.defaultCheckpointDir}`),
    program: { kind: 'process', command: input.command, cwd: input.cwd },
  };
}

const LONGEST_NAME = 200;
/** Control characters, the two odd line ends, and marks that turn the direction of writing. */
const UNPRINTABLE = /[\p{Cc}\u2028-\u202E\u2066-\u2069]/gu;

/** @throws NerveError `usage` for one that nobody could read or type again. */
export function checkedName(name: string): string {
  const fault =
    name.search(UNPRINTABLE) >= 0
      ? 'has a control character in it (a line break, an escape)'
      : name.trim() === ''
        ? 'is blank'
        : Array.from(name).length > LONGEST_NAME
          ? `is longer than ${LONGEST_NAME} characters`
          : null;
  if (fault === null) return name;
  throw new NerveError('usage', `The name ${fault}.`, { hint: 'Use letters, digits and words that you would type again: --name resnet-50.' });
}

/** Runs of one name teach Nerve how long the next one takes: by default the script's name, else the program's. */
/** Words that say how the next one is run, not what it is; and settings before a command. */
const RUNNER =
  /^(.*\/)?(python[\d.]*|node|npx|npm|run|bash|sh|zsh|env|time|nice|nohup|exec|ruby|perl|julia|Rscript|uv|poetry|pipenv|conda|torchrun|accelerate|launch|deepspeed|srun|mpirun)$|^\w+=|^[\d.]+$/;

export function jobName(flags: Pick<SubmitFlags, 'name'>, file: Pick<JobFile, 'name'>, command: readonly string[]): string {
  const given = flags.name ?? file.name;
  if (given !== undefined) return checkedName(given);
  const words = command.filter((word) => !word.startsWith('-') && !/\s/.test(word));
  const base = basename(words.find((word) => !RUNNER.test(word)) ?? words[0] ?? 'job').replace(/\.\w+$/, '');
  return Array.from(base.replace(UNPRINTABLE, '')).slice(0, LONGEST_NAME).join('').trim() || 'job';
}

/** @throws NerveError `usage`. */
export function checkpointUri(uri: string): string {
  if (/^s3:\/\/[^/]+/.test(uri) || /^file:\/\/\/[^/]/.test(uri)) return uri.replace(/\/+$/, '');
  throw new NerveError('usage', `"${uri}" is not a place for checkpoints.`, { hint: 'Write s3://bucket/prefix or file:///absolute/folder.' });
}
