// Text that is not Nerve's own (names, what programs print, what stands on pods), as a person may safely read it: a terminal would otherwise
// obey it. Whole escape sequences go; what is left of control characters is shown as it would be written in code. --json stays as it is.

import { stripVTControlCharacters } from 'node:util';

/** Control characters, the two odd line ends, and marks that turn the direction of writing. */
const CONTROL = /[\p{Cc}\u2028-\u202E\u2066-\u2069]/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One line, whatever it was. */
export const plain = (text: string): string => stripVTControlCharacters(text).replace(CONTROL, (mark) => SHORT[mark] ?? code(mark));

function code(mark: string): string {
  const number = mark.codePointAt(0) ?? 0;
  return number < 256 ? `\\x${number.toString(16).padStart(2, '0')}` : `\\u${number.toString(16).padStart(4, '0')}`;
}

/** Lines that a program printed: of one that was written over and over (a progress bar), what stood there last. */
export function plainLines(text: string): readonly string[] {
  return stripVTControlCharacters(text)
    .trimEnd()
    .split('\n')
    .map((line) => plain((line.replace(/\r+$/, '').split('\r').at(-1) ?? '').replaceAll('\t', ' ')));
}

const NAME_COLUMNS = 32;

/** A name in a column of a table. */
export function nameCell(name: string): string {
  const letters = Array.from(plain(name));
  return letters.length <= NAME_COLUMNS ? letters.join('') : `${letters.slice(0, NAME_COLUMNS - 1).join('')}…`;
}
