// Jobs to replay, as a file: YAML (and so JSON), a list of jobs or `jobs:` with one. Times count from the beginning of the trace unless
// they are instants.

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { NerveError } from '../engine/errors.ts';
import { CARBON_PRICE_USD_PER_TONNE } from '../engine/objective.ts';
import type { SimulatedJob } from '../simulate/run.ts';
import { parseLength } from './when.ts';

const job = z.strictObject({
  name: z.string().min(1).optional(),
  /** `+2h` after the beginning, or an instant. */
  submit: z.string().default('+0'),
  duration: z.string(),
  /** `+6h` after submit, or an instant. */
  deadline: z.string(),
  optimize: z.enum(['cost', 'carbon', 'balanced']).default('cost'),
  'carbon-price': z.number().min(0).optional(),
  /** So many of it, one `every`. */
  count: z.number().int().min(1).max(100_000).default(1),
  every: z.string().default('1d'),
});
const list = z.array(job).min(1);
const file = z.strictObject({ jobs: list });

/** @throws NerveError `usage` naming the file and what is wrong in it. */
export function readJobsFile(path: string, startMs: number): readonly SimulatedJob[] {
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new NerveError(
      'usage',
      `Cannot read the jobs in ${path}: ${cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)}`,
      {
        cause,
        hint: 'It must be a YAML or JSON list of jobs: [{duration: 3h, deadline: +8h}].',
      },
    );
  }
  const result = file.safeParse(Array.isArray(value) ? { jobs: value } : value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new NerveError('usage', `${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'not valid'}.`, {
      hint: `A job may hold: ${Object.keys(job.shape).join(', ')}.`,
    });
  }
  return result.data.jobs.flatMap((one, index) => {
    const submitMs = instant(one.submit, startMs, path);
    const everyMs = one.count === 1 ? 0 : parseLength(one.every, 'length of time');
    return Array.from({ length: one.count }, (_, i): SimulatedJob => {
      const at = submitMs + i * everyMs;
      const deadlineMs = instant(one.deadline, at, path);
      if (deadlineMs <= at) throw new NerveError('usage', `${path}: the deadline "${one.deadline}" of job ${index + 1} is before it is submitted.`);
      return {
        name: `${one.name ?? `job ${index + 1}`}${one.count === 1 ? '' : ` #${i + 1}`}`,
        submitMs: at,
        deadlineMs,
        workMs: parseLength(one.duration, 'duration'),
        carbonPriceUsdPerTonne: one['carbon-price'] ?? CARBON_PRICE_USD_PER_TONNE[one.optimize],
      };
    });
  });
}

function instant(text: string, fromMs: number, path: string): number {
  if (text.trim() === '+0') return fromMs;
  if (text.startsWith('+')) return fromMs + parseLength(text.slice(1), 'length of time');
  const atMs = Date.parse(text);
  if (Number.isFinite(atMs) && /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:?\d\d)$/.test(text)) return atMs;
  throw new NerveError('usage', `${path}: "${text}" is no time.`, { hint: 'Write +2h, or an instant with its zone: 2026-11-25T08:00+01:00.' });
}
