// A job as a YAML file: the same names as the flags of `nerve submit`, which win over it.

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { NerveError } from '../engine/errors.ts';

const words = z.union([
  z
    .string()
    .min(1)
    .transform((text) => ['/bin/sh', '-c', text]),
  z.array(z.string()).min(1),
]);

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
});

export type JobFile = z.infer<typeof jobFileSchema>;

/** @throws NerveError `usage` naming the file and the line of fault. */
export function readJobFile(path: string): JobFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new NerveError('usage', `Cannot read the job file ${path}.`, { cause, hint: 'Check the path given with --file.' });
  }
  try {
    const result = jobFileSchema.safeParse(parse(text) ?? {});
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw new NerveError('usage', `${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'not valid'}.`, {
      hint: `A job file may hold: ${Object.keys(jobFileSchema.shape).join(', ')}.`,
    });
  } catch (cause) {
    if (cause instanceof NerveError) throw cause;
    throw new NerveError('usage', `${path} is not valid YAML: ${cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)}`, {
      cause,
      hint: 'Correct the file.',
    });
  }
}
