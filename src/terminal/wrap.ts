// Long lines on a terminal break between words, and go on under the text of their first line. Elsewhere (a pipe, a file) a line
// is a line. Colours are not counted.

import { stripVTControlCharacters } from 'node:util';

const LEAST_COLUMNS = 40;

/** `columns` undefined: no terminal. */
export function wrap(text: string, columns: number | undefined): string {
  if (columns === undefined || columns < LEAST_COLUMNS) return text;
  return text
    .split('\n')
    .map((line) => wrapLine(line, columns))
    .join('\n');
}

function wrapLine(line: string, columns: number): string {
  if (width(line) <= columns) return line;
  const indent = indentOf(stripVTControlCharacters(line), columns);
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(/(?<=\S)(?= )/)) {
    if (current !== '' && width(current) + width(word) > columns) {
      lines.push(current);
      current = ' '.repeat(indent) + word.trimStart();
    } else current += word;
  }
  return [...lines, current].join('\n');
}

/** Under what follows a label and two spaces (`18:02  ...`, `deadline   ...`), else a little way in. */
function indentOf(line: string, columns: number): number {
  const label = /^\s*\S+(?: \S+)?\s{2,}(?=\S)/.exec(line)?.[0].length ?? 2;
  return label <= columns / 3 ? label : 2;
}

// Code points: what Nerve prints has no marks that combine.
const width = (text: string): number => Array.from(stripVTControlCharacters(text)).length;
