// The seal log as people read it: newest first, sizes, ages, which attempt wrote what (docs/checkpoint-contract.md). Entries come from an
// untrusted place: one that is not as expected is shown as unreadable, as a resuming attempt would pass over it.

import { z } from 'zod';
import type { SealLog } from '../ports.ts';
import { table } from './figures.ts';
import { plain } from './plain.ts';
import { span } from './when.ts';

const whole = z.number().int().min(0);
const entrySchema = z.discriminatedUnion('type', [
  z.object({ format: z.literal(1), type: z.literal('resume'), attempt: whole, epoch: whole }),
  z.object({
    format: z.literal(1),
    type: z.literal('checkpoint'),
    attempt: whole,
    epoch: whole,
    step: whole,
    totalSteps: whole.nullable().default(null),
    final: z.boolean().default(false),
    completed: z.boolean().default(false),
    reason: z.string().default(''),
    files: z.array(z.object({ name: z.string(), bytes: whole })).min(1),
    durationMs: whole,
    sealedAt: z.string().optional(),
  }),
]);

export type Seal =
  | { readonly number: number; readonly type: 'resume'; readonly attempt: number; readonly epoch: number }
  | {
      readonly number: number;
      readonly type: 'checkpoint';
      readonly attempt: number;
      readonly epoch: number;
      readonly step: number;
      readonly totalSteps: number | null;
      readonly bytes: number;
      readonly files: number;
      readonly final: boolean;
      readonly completed: boolean;
      readonly reason: string;
      readonly durationMs: number;
      readonly sealedAtMs: number | null;
    }
  | { readonly number: number; readonly type: 'unreadable' };

/** The newest `last` entries, newest first, and how many there are. */
export async function readSeals(log: SealLog, last: number): Promise<{ readonly total: number; readonly seals: readonly Seal[] }> {
  const numbers = await log.numbers();
  const newest = numbers.slice(-last).reverse();
  return { total: numbers.length, seals: await Promise.all(newest.map(async (number) => sealFrom(number, await log.entry(number)))) };
}

/** @internal */
export function sealFrom(number: number, text: string | null): Seal {
  const parsed = entrySchema.safeParse(json(text));
  if (!parsed.success) return { number, type: 'unreadable' };
  const entry = parsed.data;
  if (entry.type === 'resume') return { number, type: 'resume', attempt: entry.attempt, epoch: entry.epoch };
  const { files, sealedAt, format: _, ...rest } = entry;
  const sealedAtMs = sealedAt === undefined ? Number.NaN : Date.parse(sealedAt);
  return {
    number,
    ...rest,
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    sealedAtMs: Number.isNaN(sealedAtMs) ? null : sealedAtMs,
  };
}

function json(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

export function sealTable(seals: readonly Seal[], nowMs: number): string {
  const rows = seals.map((seal) => {
    const id = String(seal.number).padStart(10, '0');
    if (seal.type === 'unreadable') return [id, '', '', '', '', '', 'unreadable: passed over'];
    if (seal.type === 'resume') return [id, String(seal.attempt), '', '', '', '', `attempt ${seal.attempt} resumed (epoch ${seal.epoch})`];
    const what = seal.completed ? 'completed' : seal.final ? `final (${plain(seal.reason) || 'stop'})` : plain(seal.reason);
    const step = `${seal.step}${seal.totalSteps === null ? '' : `/${seal.totalSteps}`}`;
    return [
      id,
      String(seal.attempt),
      step,
      size(seal.bytes),
      took(seal.durationMs),
      seal.sealedAtMs === null ? '?' : span(nowMs - seal.sealedAtMs),
      what,
    ];
  });
  return table([['SEAL', 'ATTEMPT', 'STEP', 'SIZE', 'TOOK', 'AGE', 'WHAT'], ...rows]);
}

const took = (ms: number): string => (ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : span(ms));

export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const unit = Math.min(units.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${unit === 0 ? bytes : (bytes / 1000 ** unit).toFixed(1)} ${units[unit] ?? ''}`;
}
