// How an attempt ended, in words, with the number that its process ended with.

import { constants } from 'node:os';
import type { EndCause } from '../engine/record.ts';
import type { Reason } from '../engine/reasons.ts';

export function endWords(cause: EndCause, reason: Reason | null, exitCode: number | null): string {
  if (reason === 'asked-again') return `asked to be started again (exit code ${exitCode ?? 'unknown'})`;
  return cause === 'failed' && exitCode !== null ? `failed with ${exitCodeWords(exitCode)}` : cause;
}

/** A shell says 128 and the signal's number of what a signal ended; a program may choose the same number itself. */
export function exitCodeWords(exitCode: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
  return `exit code ${exitCode}${signal === undefined ? '' : ` (as after signal ${exitCode - 128}, ${signal})`}`;
}
