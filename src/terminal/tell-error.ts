// How an error is told: what, why and what next, or one JSON object; and which exit code it has (DESIGN section 7). What the command
// line parser throws is turned into the same shape, so that a script needs to know only one.

import { stripVTControlCharacters } from 'node:util';
import { Errors } from '@oclif/core';
import { type ErrorKind, NerveError } from '../engine/errors.ts';

const EXIT: Readonly<Record<ErrorKind, number>> = { usage: 2, unreachable: 3, refused: 4, 'not-found': 102, retryable: 1, conflict: 1, fatal: 1 };

export const exitCodeOf = (error: NerveError): number => EXIT[error.kind];

/** `command` is what was typed, for the hint. */
export function toNerveError(error: Error, command: string): NerveError {
  // The parser writes its own words before what a flag's reader threw.
  if (error instanceof NerveError)
    return error.message.startsWith('Parsing --')
      ? new NerveError(error.kind, sentence(error.message), { cause: error, hint: error.hint ?? `See "nerve ${command} --help".` })
      : error;
  if (error instanceof Errors.CLIError)
    return new NerveError('usage', sentence(error.message), { cause: error, hint: `See "nerve ${command} --help".` });
  return new NerveError('fatal', `This is a fault of Nerve itself: ${error.stack ?? error.message}`, {
    cause: error,
    hint: 'Please report it, with the command that you typed.',
  });
}

/** The parser's message on one line, without its own hint. */
function sentence(text: string): string {
  const words = stripVTControlCharacters(text)
    .replace(/See more help with --help/g, '')
    .replace(/^The following errors? occurred:/, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^Parsing (--[\w-]+) (.*)$/, (_, flag: string, why: string) => (why.startsWith(flag) ? why : `${flag}: ${why}`))
    .replace(/^Missing 1 required arg: (\S+) /, (_, name: string) => `${name.toUpperCase()} is missing: `)
    .replace(/^Missing required flag (?=\w)/, 'Missing required flag --');
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

export function asText(error: NerveError): string {
  return `nerve: ${error.message}\n${error.hint === undefined ? '' : `       ${error.hint}\n`}`;
}

export function asJson(error: NerveError): { readonly error: Readonly<Record<string, unknown>> } {
  return { error: { kind: error.kind, message: error.message, hint: error.hint ?? null, ...error.fields } };
}
