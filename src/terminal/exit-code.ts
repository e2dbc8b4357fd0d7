// How every program of Nerve tells an error (what, why and what next), and which exit code it has (DESIGN section 7). Apart from tell-error.ts,
// so that the programs of a cluster load no command line parser.

import type { ErrorKind, NerveError } from '../engine/errors.ts';

const EXIT: Readonly<Record<ErrorKind, number>> = { usage: 2, unreachable: 3, refused: 4, 'not-found': 102, retryable: 1, conflict: 1, fatal: 1 };

export const exitCodeOf = (error: NerveError): number => EXIT[error.kind];

export function asText(error: NerveError): string {
  return `nerve: ${error.message}\n${error.hint === undefined ? '' : `       ${error.hint}\n`}`;
}
