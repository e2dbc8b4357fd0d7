// What a pod's annotations ask for, as far as adoption depends on it. The worker reads the rest.

import { POD } from './names.ts';
import type { Pod } from './types.ts';

export interface Asked {
  /** Epoch ms; null: none was given. */
  readonly deadlineMs: number | null;
  readonly workMs: number | null;
  readonly unreadable: readonly { readonly name: string; readonly text: string }[];
}

export function askedOf(pod: Pod): Asked {
  const deadline = noted(pod, POD.deadline);
  const work = noted(pod, POD.expectedDuration);
  const deadlineMs = deadline === null ? null : instant(deadline);
  const workMs = work === null ? null : length(work);
  const unreadable = [
    ...(deadline !== null && deadlineMs === null ? [{ name: POD.deadline, text: deadline }] : []),
    ...(work !== null && workMs === null ? [{ name: POD.expectedDuration, text: work }] : []),
  ];
  return { deadlineMs, workMs, unreadable };
}

/** When this pod must start at the latest, but for margins that are the same for every pod; who tells neither goes first. */
export function latestStartMs(annotations: Readonly<Record<string, string>>): number {
  const deadlineMs = instant(annotations[POD.deadline] ?? '');
  return deadlineMs === null ? 0 : deadlineMs - (length(annotations[POD.expectedDuration] ?? '') ?? 0);
}

export const noted = (pod: Pod, name: string): string | null => pod.metadata.annotations?.[name] ?? null;

// oxlint-disable-next-line eslint/no-restricted-globals -- text of a given instant, not the clock
export const rfc3339 = (atMs: number): string => new Date(atMs).toISOString().replace('.000Z', 'Z');

/** RFC 3339 with an offset: an annotation is read elsewhere and later, so a bare time of day means nothing. */
function instant(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})$/.test(text)) return null;
  // oxlint-disable-next-line eslint/no-restricted-globals -- the instant of a given text, not the clock
  const atMs = Date.parse(text.replace(' ', 'T'));
  return Number.isNaN(atMs) ? null : atMs;
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90m`, `2h30m`, `1.5h`, `1d`, `45s`, as the command line reads them. */
function length(text: string): number | null {
  const compact = text.trim().toLowerCase().replace(/\s+/g, '');
  const parts = [...compact.matchAll(/(\d+(?:\.\d+)?)(min|[smhd])/g)];
  const totalMs = parts.reduce((sum, [, value = '0', unit = '']) => sum + Number(value) * (UNIT_MS[unit] ?? 0), 0);
  return parts.map(([whole]) => whole).join('') === compact && totalMs > 0 && Number.isFinite(totalMs) ? totalMs : null;
}
