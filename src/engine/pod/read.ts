// Values of annotations and labels, read without ever throwing: what cannot be read is null, and a caller that has somebody to
// tell makes a warning of it. Anyone who may patch a pod writes these.

import type { CapacityType } from '../job.ts';
import { LABELS, POD } from './names.ts';
import type { ObjectMeta, Pod } from './types.ts';

export function annotation(object: { readonly metadata: ObjectMeta } | null, name: string): string | null {
  return object?.metadata.annotations?.[name] ?? null;
}

/** RFC 3339 with seconds and an offset. Epoch ms. */
export function instant(text: string | null | undefined): number | null {
  if (text === null || text === undefined) return null;
  if (!/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})$/.test(text)) return null;
  // oxlint-disable-next-line no-restricted-globals -- reads a text; no clock is asked
  const atMs = Date.parse(text.replace(' ', 'T'));
  return Number.isNaN(atMs) ? null : atMs;
}

// oxlint-disable-next-line no-restricted-globals -- writes a given instant; no clock is asked
export const rfc3339 = (atMs: number): string => new Date(atMs).toISOString().replace('.000Z', 'Z');

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** What is longer says nothing; and matching it would take seconds, in which nobody beats and no gate is opened. */
export const LONGEST_TEXT = 40;
/** Nobody waits longer; who is told of it says so. */
export const TEN_YEARS_MS = 10 * 365 * 86_400_000;

/** `90m`, `2h30m`, `1.5h`, `1d`, `45s`, however long. */
export function readLength(text: string): number | null {
  if (text.length > LONGEST_TEXT) return null;
  const compact = text.trim().toLowerCase().replace(/\s+/g, '');
  const parts = [...compact.matchAll(/(\d+(?:\.\d+)?)(min|[smhd])/g)];
  const totalMs = parts.reduce((sum, [, value = '0', unit = '']) => sum + Number(value) * (UNIT_MS[unit] ?? 0), 0);
  return parts.map(([whole]) => whole).join('') === compact && totalMs > 0 ? totalMs : null;
}

/** At most ten years. */
export function length(text: string): number | null {
  const ms = readLength(text);
  return ms !== null && ms <= TEN_YEARS_MS ? ms : null;
}

/** A JSON object, or null for anything else. */
export function object(text: string | null): Readonly<Record<string, unknown>> | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** By hand: `/\/+$/` takes time in the square of a text of slashes. */
export function withoutLastSlashes(uri: string): string {
  let end = uri.length;
  while (uri[end - 1] === '/') end -= 1;
  return uri.slice(0, end);
}

export const number = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);

export const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** `a,b` or a JSON list. */
export function list(value: string): readonly string[] | null {
  const items = value.trim().startsWith('[') ? jsonList(value) : value.split(',');
  const words = items?.map((item) => item.trim()).filter((item) => item !== '') ?? [];
  return words.length > 0 && words.every((word) => /^[\w.-]{1,63}$/.test(word)) ? words : null;
}

function jsonList(value: string): readonly string[] | null {
  try {
    const items: unknown = JSON.parse(value);
    return Array.isArray(items) && items.every((item) => typeof item === 'string') ? items : null;
  } catch {
    return null;
  }
}

/** A job that moves every half hour gets there in seven months. Above it a number is not the engine's: a record rebuilt from it would not fit into memory. */
const MOST_ATTEMPTS = 10_000;

export const isAttempt = (value: number | null): value is number => value !== null && Number.isInteger(value) && value >= 1 && value <= MOST_ATTEMPTS;

/** What the worker wrote when it let this pod start. */
export interface LaunchedAs {
  /** The engine's number, 1, 2, 3 ... */
  readonly attempt: number;
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  readonly priceUsdPerHour: number | null;
  readonly atMs: number;
}

export function launchedAs(pod: Pod): LaunchedAs | null {
  const value = object(annotation(pod, POD.launchedAs));
  if (value === null) return null;
  const attempt = number(value['attempt']);
  const zone = text(value['zone']);
  const instanceType = text(value['instanceType']);
  const capacityType = value['capacityType'];
  if (!isAttempt(attempt) || zone === null || instanceType === null) return null;
  if (capacityType !== 'spot' && capacityType !== 'on-demand') return null;
  const atMs = instant(text(value['at'])) ?? instant(pod.metadata.creationTimestamp) ?? 0;
  return { attempt, zone, instanceType, capacityType, priceUsdPerHour: number(value['priceUsdPerHour']), atMs };
}

export function launchedAsText({ atMs, ...rest }: LaunchedAs): string {
  return JSON.stringify({ ...rest, at: rfc3339(atMs) });
}

/** The identity of a zone: its id where nodes show one, else its name. */
export function zoneOf(labels: Readonly<Record<string, string>> | undefined): string | null {
  return labels?.[LABELS.zoneId] ?? labels?.[LABELS.zone] ?? null;
}

/** `SPOT`, `spot`, `ON_DEMAND`, `on-demand`; reserved capacity is paid for whatever runs, and is not taken back: on demand. */
export function capacityTypeOf(labels: Readonly<Record<string, string>> | undefined): CapacityType {
  const value = labels?.[LABELS.karpenterCapacityType] ?? labels?.[LABELS.eksCapacityType] ?? labels?.[LABELS.capacityType] ?? '';
  return value.toLowerCase() === 'spot' ? 'spot' : 'on-demand';
}
