// Deadlines and lengths as people type them. A deadline that can mean two instants is refused, never guessed; what was understood
// is always echoed back by the caller.

import { DateTime, type DateTimeUnit, Duration } from 'luxon';
import { NerveError } from '../engine/errors.ts';
import { LONGEST_TEXT, readLength, TEN_YEARS_MS } from '../engine/pod/read.ts';

const EXAMPLES = 'Examples: +6h, 18:00, "tomorrow 8am", "friday 18:30", 2026-11-25T08:00+01:00, "18:00 Europe/Paris".';
const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;

/** `90m`, `2h30m`, `1.5h`, `1d`, `45s`; at most ten years. @throws NerveError `usage`. */
export function parseLength(text: string, what = 'length'): number {
  const ms = readLength(text);
  if (ms === null)
    throw new NerveError('usage', `"${text.slice(0, LONGEST_TEXT)}" is not a ${what}.`, { hint: 'Write it like 90m, 2h30m, 1.5h or 1d.' });
  if (ms > TEN_YEARS_MS) throw new NerveError('usage', `"${text}" is longer than ten years.`, { hint: 'Write it like 90m, 2h30m, 1.5h or 1d.' });
  return ms;
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
  if (atMs - nowMs > TEN_YEARS_MS) throw unreadable(text, 'it is more than ten years away');
  return atMs;
}

/** A zone may follow anything but a length: `18:00 Europe/Paris`. */
const ZONE = /^(.*?)\s+([a-z]+(?:\/[a-z0-9_+-]+)+|UTC)$/i;

function read(text: string, now: DateTime): number {
  if (text === '') throw unreadable(text, 'it is empty');
  if (text.startsWith('+')) return now.toMillis() + parseLength(text.slice(1), 'length of time');
  const [, before, zone] = ZONE.exec(text) ?? [];
  const there = zone === undefined ? now : now.setZone(zone);
  if (!there.isValid) throw unreadable(text, `"${zone}" is not a time zone`);
  const wall = before ?? text;
  return /^\d{4}-\d{2}-\d{2}/.test(wall) ? readDate(wall, text, there) : readWords(wall, text, there);
}

function readWords(wall: string, text: string, there: DateTime): number {
  const words = wall
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== 'at');
  const [first = ''] = words;
  const day = dayOf(first, there);
  const clock = (day === null ? words : words.slice(1)).join('');
  if (clock === '') throw unreadable(text, 'it names a day but no time of day');
  if (day === null && words.length > 1 && !/^\d/.test(first)) throw unreadable(text, `"${first}" is not a day`);
  const { hour, minute } = readClock(clock, text);
  const that = local(there.plus({ days: day ?? 0 }), hour, minute, text);
  if (that.toMillis() > there.toMillis() || first === 'today') return that.toMillis();
  // Over already: a time of day means tomorrow's, a weekday next week's.
  return local(there.plus({ days: day === null ? 1 : 7 }), hour, minute, text).toMillis();
}

/** How many days ahead the word says; null when it names no day. */
function dayOf(word: string, there: DateTime): number | null {
  if (word === 'today') return 0;
  if (word === 'tomorrow') return 1;
  const weekday = WEEKDAYS.findIndex((name) => name === word || (word.length === 3 && name.startsWith(word)));
  return weekday < 0 ? null : (weekday + 1 - there.weekday + 7) % 7;
}

function readDate(wall: string, text: string, there: DateTime): number {
  const iso = wall.replace(/^(\d{4}-\d{2}-\d{2})\s+/, '$1T');
  if (!iso.includes('T')) throw unreadable(text, 'it names a day but no time of day');
  if (iso.includes('[')) throw unreadable(text, 'write the time zone behind it, as in "2026-11-25 08:00 Europe/Paris"');
  // Read as if clocks never changed; what the wall shows that night is looked at afterwards.
  const exact = /T.*(Z|[+-]\d{2}(:?\d{2})?)$/i.test(iso);
  const read = DateTime.fromISO(iso, exact ? { setZone: true } : { zone: 'utc' });
  if (!read.isValid) throw unreadable(text, 'there is no such day or time');
  if (exact) return read.toMillis();
  return local(there.set({ year: read.year, month: read.month, day: read.day }), read.hour, read.minute, text, read.second).toMillis();
}

function readClock(clock: string, text: string): { hour: number; minute: number } {
  if (clock === 'noon') return { hour: 12, minute: 0 };
  if (clock === 'midnight') throw unreadable(text, '"midnight" may be either end of that day; write 00:00 and the day, or 23:59');
  const [, h = '', m, half] = /^(\d{1,2})(?:[:h](\d{2}))?(am|pm)?$/.exec(clock) ?? [];
  const hour = Number(h);
  const minute = Number(m ?? 0);
  if (h === '' || minute > 59 || hour > 23 || (half !== undefined && (hour < 1 || hour > 12)))
    throw unreadable(text, `"${clock}" is not a time of day`);
  if (m === undefined && half === undefined) {
    const full = `${h.padStart(2, '0')}:00`;
    throw unreadable(
      text,
      hour >= 1 && hour <= 12 ? `"${clock}" may be morning or evening; write ${full}, ${hour}am or ${hour}pm` : `for "${clock}" write ${full}`,
    );
  }
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

/** `22:04`, with the weekday when that is another day than `nowMs`'s, with the date when it is further away, and with the year when that could be another. */
export function short(atMs: number, nowMs: number, zone: string): string {
  const at = DateTime.fromMillis(atMs, { zone }).setLocale('en');
  const now = DateTime.fromMillis(nowMs, { zone });
  if (at.hasSame(now, 'day' satisfies DateTimeUnit)) return at.toFormat('HH:mm');
  const days = Math.abs(at.startOf('day').diff(now.startOf('day'), 'days').days);
  if (days < 7) return at.toFormat('ccc HH:mm');
  return at.toFormat(days > 300 ? 'd LLL yyyy HH:mm' : 'd LLL HH:mm');
}

/** `3 h 10 min`, `45 s`, `2 d 4 h`. */
export function span(ms: number): string {
  const sign = ms <= -500 ? '-' : '';
  const d = Duration.fromMillis(Math.round(Math.abs(ms) / 1000) * 1000).shiftTo('days', 'hours', 'minutes', 'seconds');
  if (d.days >= 1) return `${sign}${d.days} d${d.hours > 0 ? ` ${d.hours} h` : ''}`;
  if (d.hours >= 1) return `${sign}${d.hours} h${d.minutes > 0 ? ` ${d.minutes} min` : ''}`;
  if (d.minutes >= 1) return `${sign}${d.minutes} min`;
  return `${sign}${d.seconds} s`;
}

export const localZone = (): string => DateTime.local().zoneName;
