// Deadlines and lengths as people type them. A deadline that can mean two instants is refused, never guessed; what was understood
// is always echoed back by the caller.

import { DateTime, type DateTimeUnit, Duration } from 'luxon';
import { NerveError } from '../engine/errors.ts';

const EXAMPLES = 'Examples: +6h, 18:00, "tomorrow 8am", "friday 18:30", 2026-11-25T08:00+01:00, "18:00 Europe/Paris".';
const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;

/** `90m`, `2h30m`, `1.5h`, `1d`, `45s`. @throws NerveError `usage`. */
export function parseLength(text: string, what = 'length'): number {
  const compact = text.trim().toLowerCase().replace(/\s+/g, '');
  const parts = [...compact.matchAll(/(\d+(?:\.\d+)?)(min|[smhd])/g)];
  const totalMs = parts.reduce((sum, [, value = '0', unit = '']) => sum + Number(value) * (UNIT_MS[unit] ?? Number.NaN), 0);
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== compact || !(totalMs > 0)) {
    throw new NerveError('usage', `"${text}" is not a ${what}.`, { hint: 'Write it like 90m, 2h30m, 1.5h or 1d.' });
  }
  return totalMs;
}

/** The instant, epoch ms. @throws NerveError `usage` when it is unreadable, ambiguous or past. */
export function parseDeadline(text: string, nowMs: number, zone: string): number {
  const now = DateTime.fromMillis(nowMs, { zone });
  if (!now.isValid) throw new NerveError('usage', `"${zone}" is not a time zone.`, { hint: 'Use a name like Europe/Paris.' });
  const atMs = read(text.trim(), now);
  if (atMs <= nowMs) {
    throw new NerveError('usage', `The deadline "${text}" is in the past: ${written(atMs, zone)}; it is now ${written(nowMs, zone)}.`, {
      hint: EXAMPLES,
    });
  }
  return atMs;
}

function read(text: string, now: DateTime): number {
  if (text.startsWith('+')) return now.toMillis() + parseLength(text.slice(1), 'length of time');
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) return readDate(text, now);
  const [, wall = '', zone] = /^(.*?)(?:\s+([A-Za-z]+\/[A-Za-z_]+|UTC))?$/.exec(text) ?? [];
  const there = zone === undefined ? now : now.setZone(zone);
  if (!there.isValid) throw unreadable(text, `"${zone}" is not a time zone`);
  const words = wall.toLowerCase().split(/\s+/);
  const day = words.length > 1 || /^[a-z]+$/.test(words[0] ?? '') ? (words.shift() ?? '') : null;
  const clock = words.join('');
  if (clock === '') throw unreadable(text, 'it names a day but no time of day');
  const { hour, minute } = readClock(clock, text);
  if (day === null) {
    const today = local(there, hour, minute, text);
    return today.toMillis() > there.toMillis() ? today.toMillis() : local(there.plus({ days: 1 }), hour, minute, text).toMillis();
  }
  if (day === 'today') return local(there, hour, minute, text).toMillis();
  if (day === 'tomorrow') return local(there.plus({ days: 1 }), hour, minute, text).toMillis();
  const weekday = WEEKDAYS.findIndex((name) => name === day || (day.length === 3 && name.startsWith(day)));
  if (weekday < 0) throw unreadable(text, `"${day}" is not a day`);
  const ahead = (weekday + 1 - there.weekday + 7) % 7;
  const that = local(there.plus({ days: ahead }), hour, minute, text);
  return (that.toMillis() > there.toMillis() ? that : local(there.plus({ days: 7 }), hour, minute, text)).toMillis();
}

function readDate(text: string, now: DateTime): number {
  const iso = text.replace(/^(\d{4}-\d{2}-\d{2})\s+/, '$1T');
  if (!iso.includes('T')) throw unreadable(text, 'it names a day but no time of day');
  if (/(Z|[+-]\d{2}:?\d{2})$/i.test(iso)) {
    const exact = DateTime.fromISO(iso, { setZone: true });
    if (!exact.isValid) throw unreadable(text, exact.invalidExplanation ?? 'it is no date');
    return exact.toMillis();
  }
  const there = DateTime.fromISO(iso, { zone: now.zone });
  if (!there.isValid) throw unreadable(text, there.invalidExplanation ?? 'it is no date');
  return local(there, there.hour, there.minute, text, there.second).toMillis();
}

function readClock(clock: string, text: string): { hour: number; minute: number } {
  const [, h = '', m, half] = /^(\d{1,2})(?:[:h](\d{2}))?(am|pm)?$/.exec(clock) ?? [];
  if (h === '') {
    if (clock === 'noon') return { hour: 12, minute: 0 };
    if (clock === 'midnight') throw unreadable(text, '"midnight" may be either end of that day; write 00:00 or 24:00 as a date and time');
    throw unreadable(text, `"${clock}" is not a time of day`);
  }
  if (m === undefined && half === undefined)
    throw unreadable(text, `"${clock}" may be morning or evening; write ${clock.padStart(2, '0')}:00, ${clock}am or ${clock}pm`);
  const hour = Number(h);
  const minute = Number(m ?? 0);
  if (minute > 59 || hour > 23 || (half !== undefined && (hour < 1 || hour > 12))) throw unreadable(text, `"${clock}" is not a time of day`);
  if (half === undefined) return { hour, minute };
  return { hour: (hour % 12) + (half === 'pm' ? 12 : 0), minute };
}

/** That wall time on that day; refused where clocks change and it exists twice or not at all. */
function local(day: DateTime, hour: number, minute: number, text: string, second = 0): DateTime {
  const at = day.set({ hour, minute, second, millisecond: 0 });
  if (at.hour !== hour || at.minute !== minute) throw unreadable(text, 'that time is skipped that night, when clocks go forward');
  if (at.getPossibleOffsets().length > 1)
    throw unreadable(text, 'that time comes twice that night, when clocks go back; add an offset such as +01:00');
  return at;
}

const unreadable = (text: string, why: string): NerveError =>
  new NerveError('usage', `Cannot read the deadline "${text}": ${why}.`, { hint: EXAMPLES });

/** `Wed 25 Nov 2026 08:00 (Europe/Paris)`. */
export function written(atMs: number, zone: string): string {
  const at = DateTime.fromMillis(atMs, { zone });
  return `${at.setLocale('en').toFormat('ccc d LLL yyyy HH:mm')} (${zone})`;
}

/** `22:04`, or with the day when that is another one than `nowMs`'s. */
export function short(atMs: number, nowMs: number, zone: string): string {
  const at = DateTime.fromMillis(atMs, { zone }).setLocale('en');
  return at.hasSame(DateTime.fromMillis(nowMs, { zone }), 'day' satisfies DateTimeUnit) ? at.toFormat('HH:mm') : at.toFormat('ccc HH:mm');
}

/** `3 h 10 min`, `45 s`, `2 d 4 h`. */
export function span(ms: number): string {
  const sign = ms < 0 ? '-' : '';
  const d = Duration.fromMillis(Math.abs(ms)).shiftTo('days', 'hours', 'minutes', 'seconds');
  if (d.days >= 1) return `${sign}${d.days} d${d.hours > 0 ? ` ${d.hours} h` : ''}`;
  if (d.hours >= 1) return `${sign}${d.hours} h${d.minutes > 0 ? ` ${d.minutes} min` : ''}`;
  if (d.minutes >= 1) return `${sign}${d.minutes} min`;
  return `${sign}${Math.round(d.seconds)} s`;
}

export const localZone = (): string => DateTime.local().zoneName;
