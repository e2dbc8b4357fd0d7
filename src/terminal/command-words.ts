// The command that a user wants to run, word for word. oclif's own `argv` is sorted by where a word occurs first, so that a word that comes
// twice (`--layers 2 --gpus 2`) moves; and it takes what is piped in for a word. Both would run something that nobody typed.

import { Args, type Interfaces } from '@oclif/core';
import { NerveError } from '../engine/errors.ts';

export const commandArg = (description: string) => ({ command: Args.string({ description, ignoreStdin: true }) });

type Raw = Interfaces.ParserOutput['raw'];

/**
 * Nerve's own words, and what is to run: all that stands behind the first `--`, other `--` included.
 *
 * @throws NerveError `usage` where a part of the command stands before the `--`.
 */
export async function splitCommand<T extends { readonly raw: Raw }>(
  argv: readonly string[],
  parse: (own: string[]) => Promise<T>,
): Promise<{ readonly parsed: T; readonly command: readonly string[] }> {
  const at = argv.indexOf('--');
  const parsed = await parse(at < 0 ? [...argv] : argv.slice(0, at));
  const before = parsed.raw.filter(({ type }) => type === 'arg').map(({ input }) => input);
  if (at < 0) return { parsed, command: before };
  const command = argv.slice(at + 1);
  if (before.length === 0) return { parsed, command };
  throw new NerveError('usage', `"${before.join(' ')}" stands before the "--".`, {
    hint: `Put the whole command behind it: -- ${[...before, ...command].join(' ')}`,
  });
}
