import { describe, expect, it, test } from 'vitest';
import type { NerveError } from '../../src/engine/errors.ts';
import { parseDeadline, parseLength, short, span, written } from '../../src/terminal/when.ts';

const PARIS = 'Europe/Paris';
/** A Tuesday, 18:00 in Paris. */
const NOW = Date.parse('2026-11-24T18:00:00+01:00');
const at = (text: string, nowMs = NOW, zone = PARIS): string => new Date(parseDeadline(text, nowMs, zone)).toISOString();

/** What is refused, and why. */
function refusal(text: string, nowMs = NOW, zone = PARIS): NerveError {
  try {
    parseDeadline(text, nowMs, zone);
  } catch (error) {
    return error as NerveError;
  }
  throw new Error(`"${text}" was understood`);
}

describe('a deadline', () => {
  test.each([
    ['+6h', '2026-11-24T23:00:00.000Z'],
    ['+2h30m', '2026-11-24T19:30:00.000Z'],
    ['+1d', '2026-11-25T17:00:00.000Z'],
    ['20:15', '2026-11-24T19:15:00.000Z'],
    ['8am', '2026-11-25T07:00:00.000Z'],
    ['12am', '2026-11-24T23:00:00.000Z'],
    ['12pm', '2026-11-25T11:00:00.000Z'],
    ['noon', '2026-11-25T11:00:00.000Z'],
    ['18:00', '2026-11-25T17:00:00.000Z'],
    ['today 23:59', '2026-11-24T22:59:00.000Z'],
    ['tomorrow 8am', '2026-11-25T07:00:00.000Z'],
    ['Tomorrow at 8:30 PM', '2026-11-25T19:30:00.000Z'],
    ['friday 18:30', '2026-11-27T17:30:00.000Z'],
    ['fri 6:30pm', '2026-11-27T17:30:00.000Z'],
    ['tuesday 19:00', '2026-11-24T18:00:00.000Z'],
    ['tuesday 17:00', '2026-12-01T16:00:00.000Z'],
    ['2026-11-25T08:00+01:00', '2026-11-25T07:00:00.000Z'],
    ['2026-11-25T08:00:30Z', '2026-11-25T08:00:30.000Z'],
    ['2026-11-25T08:00-05', '2026-11-25T13:00:00.000Z'],
    ['2026-11-25 08:00:00+02', '2026-11-25T06:00:00.000Z'],
    ['2026-11-25T08:00+0530', '2026-11-25T02:30:00.000Z'],
    ['2026-11-25T08:00', '2026-11-25T07:00:00.000Z'],
    ['2026-11-25 08:00', '2026-11-25T07:00:00.000Z'],
    ['18:30 UTC', '2026-11-24T18:30:00.000Z'],
    ['tomorrow 8am America/New_York', '2026-11-25T13:00:00.000Z'],
    ['tomorrow 8am America/Argentina/Buenos_Aires', '2026-11-25T11:00:00.000Z'],
    ['2026-11-25 08:00 Asia/Tokyo', '2026-11-24T23:00:00.000Z'],
  ])('%s is %s, said at 18:00 in Paris', (text, instant) => {
    expect(at(text)).toBe(instant);
  });

  it("is read in the user's own zone", () => {
    expect(at('tomorrow 8am', NOW, 'Asia/Tokyo')).toBe('2026-11-25T23:00:00.000Z');
  });

  it('is a wall time across a change of clocks, not a number of hours', () => {
    const eve = Date.parse('2026-03-28T18:00:00+01:00');
    expect(at('tomorrow 8am', eve)).toBe('2026-03-29T06:00:00.000Z');
  });

  test.each([
    ['8', 'may be morning or evening'],
    ['tomorrow 8', 'may be morning or evening'],
    ['20', 'write 20:00'],
    ['tomorrow', 'names a day but no time of day'],
    ['friday', 'names a day but no time of day'],
    ['2026-11-25', 'names a day but no time of day'],
    ['midnight', 'either end of that day'],
    ['soon', 'is not a time of day'],
    ['soon 8am', 'is not a day'],
    ['yesterday 8am', 'is not a day'],
    ['', 'it is empty'],
    ['25:00', 'is not a time of day'],
    ['13pm', 'is not a time of day'],
    ['10:75', 'is not a time of day'],
    ['99', 'is not a time of day'],
    ['2026-02-30T08:00', 'no such day'],
    ['2026-11-25T08:00[Europe/Berlin]', 'write the time zone behind it'],
    ['2026-11-25T08:00+01:00[Europe/Berlin]', 'write the time zone behind it'],
    ['9999-12-31T23:59Z', 'more than ten years away'],
    ['18:00 Mars/Olympus', 'is not a time zone'],
  ])('"%s" is refused: it %s', (text, why) => {
    expect(refusal(text)).toMatchObject({ kind: 'usage', message: expect.stringContaining(why), hint: expect.stringContaining('+6h') });
  });

  test.each(['today 8am', '2026-11-24T17:59+01:00', '2020-01-01T00:00Z'])('"%s" is refused: it is in the past', (text) => {
    expect(refusal(text)).toMatchObject({ kind: 'usage', message: expect.stringMatching(/in the past.*it is now Tue 24 Nov 2026 18:00/) });
  });

  it('that this very moment is, is refused', () => {
    expect(refusal('2026-11-24T18:00:00+01:00').message).toContain('in the past');
  });

  test.each(['tomorrow 2:30am', '02:30', '2026-03-29T02:30', '2026-03-29 02:30'])('"%s" is refused in the night that skips it', (text) => {
    const eve = Date.parse('2026-03-28T18:00:00+01:00');
    expect(refusal(text, eve).message).toContain('skipped');
  });

  test.each(['tomorrow 2:30am', '2026-10-25T02:30'])('"%s" is refused in the night that has it twice', (text) => {
    const eve = Date.parse('2026-10-24T18:00:00+02:00');
    expect(refusal(text, eve)).toMatchObject({ message: expect.stringContaining('comes twice') });
  });

  it('with an offset may be in such a night', () => {
    const eve = Date.parse('2026-10-24T18:00:00+02:00');
    expect(at('2026-10-25T02:30+01:00', eve)).toBe('2026-10-25T01:30:00.000Z');
  });

  it('in an unknown zone of the configuration is refused', () => {
    expect(refusal('18:00', NOW, 'Paris')).toMatchObject({ kind: 'usage', message: '"Paris" is not a time zone.' });
  });
});

describe('a length', () => {
  test.each([
    ['90m', 90],
    ['2h30m', 150],
    ['1.5h', 90],
    ['1d', 1440],
    ['2 h 30 min', 150],
    ['30s', 0.5],
  ])('%s is %d minutes', (text, minutes) => {
    expect(parseLength(text)).toBe(minutes * 60_000);
  });

  test.each(['3651d', '99999999999999h'])('"%s" is refused: nobody waits so long', (text) => {
    expect(() => parseLength(text)).toThrow('longer than ten years');
  });

  it('of a thousand digits is refused at once', () => {
    expect(() => parseLength('1'.repeat(100_000), 'duration')).toThrow('is not a duration');
  });

  test.each(['', '0m', '2', '2hours', '-1h', '1h2', 'h'])('"%s" is refused', (text) => {
    expect(() => parseLength(text, 'duration')).toThrow(`"${text}" is not a duration.`);
  });
});

describe('what is printed', () => {
  it('names the day only when it is another one', () => {
    expect(short(NOW + 3_600_000, NOW, PARIS)).toBe('19:00');
    expect(short(NOW + 7 * 3_600_000, NOW, PARIS)).toBe('Wed 01:00');
    expect(written(NOW, PARIS)).toBe('Tue 24 Nov 2026 18:00 (Europe/Paris)');
  });

  test.each([
    [0, '0 s'],
    [59_700, '1 min'],
    [119_000, '1 min'],
    [3_600_000, '1 h'],
    [11_400_000, '3 h 10 min'],
    [187_200_000, '2 d 4 h'],
    [-90_000, '-1 min'],
  ])('%d ms is "%s"', (ms, text) => {
    expect(span(ms)).toBe(text);
  });

  it('names the date when the day is more than six days away', () => {
    expect(short(NOW + 8 * 86_400_000, NOW, PARIS)).toBe('2 Dec 18:00');
  });

  it('names the year when the day is more than 300 days away, on either side', () => {
    expect(short(NOW + 300 * 86_400_000, NOW, PARIS)).toBe('20 Sep 19:00');
    expect(short(NOW + 301 * 86_400_000, NOW, PARIS)).toBe('21 Sep 2027 19:00');
    expect(short(Date.parse('2028-02-29T07:12+01:00'), NOW, PARIS)).toBe('29 Feb 2028 07:12');
    expect(short(NOW - 365 * 86_400_000, NOW, PARIS)).toBe('24 Nov 2025 18:00');
  });
});
