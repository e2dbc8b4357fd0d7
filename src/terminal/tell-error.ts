// How an error is told as one JSON object. What the command line parser throws is turned into a NerveError, so that a script needs to know
// only one shape. As text, and with which exit code: exit-code.ts.

import { stripVTControlCharacters } from 'node:util';
import { Errors } from '@oclif/core';
import { NerveError } from '../engine/errors.ts';

/** `command` is what was typed, for the hint. */
export function toNerveError(error: Error, command: string): NerveError {
  // The parser writes its own words before what a flag's reader threw.
  if (error instanceof NerveError)
    return error.message.startsWith('Parsing --')
      ? new NerveError(error.kind, sentence(error.message), { cause: error, hint: error.hint ?? `See "nerve ${command} --help".` })
      : error;
  const unusable = fileError(error);
  if (unusable !== null) return unusable;
  if (error instanceof Errors.CLIError)
    return new NerveError('usage', sentence(error.message), { cause: error, hint: `See "nerve ${command} --help".` });
  return new NerveError('fatal', `This is a fault of Nerve itself: ${error.stack ?? error.message}`, {
    cause: error,
    hint: 'Please report it, with the command that you typed.',
  });
}

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOSPC: 'there is no space left',
  EDQUOT: 'the quota is used up',
  EACCES: 'it may not be used by this user',
  EPERM: 'it may not be used by this user',
  EROFS: 'it is read-only',
  ENOTDIR: 'a part of the path is no folder',
  ENOENT: 'it is not there',
};

/** A disk that is full or may not be written is the user's to mend, not a fault of Nerve. Null: another error. */
function fileError(error: Error): NerveError | null {
  const { code = '', path } = error as NodeJS.ErrnoException;
  const why = FILE_ERRORS[code];
  if (why === undefined || !('syscall' in error)) return null;
  return new NerveError('refused', `Cannot use ${path ?? "Nerve's state folder"}: ${why} (${code}).`, {
    cause: error,
    hint: "Make room, or choose another folder: NERVE_STATE_DIR is where Nerve keeps this user's files (default: ~/.local/state/nerve).",
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

export function asJson(error: NerveError): { readonly error: Readonly<Record<string, unknown>> } {
  return { error: { kind: error.kind, message: error.message, hint: error.hint ?? null, ...error.fields } };
}
