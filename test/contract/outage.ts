// What src/ports.ts promises of every method of every port: it ends within its adapter's own time-out, and what it rejects with is a
// NerveError whose kind says what to do.

import { type ErrorKind, NerveError } from '../../src/engine/errors.ts';

/** Makes every call at once; each has to fail in time, as a NerveError of one of these kinds. Answers those that do not, with what they did. */
export async function notFailing(
  calls: Readonly<Record<string, () => Promise<unknown>>>,
  kinds: readonly ErrorKind[],
  withinMs: number,
): Promise<Readonly<Record<string, string>>> {
  const allowed = new Set<string>(kinds);
  const late = (): Promise<string> => new Promise((resolve) => setTimeout(() => resolve(`no answer within ${withinMs} ms`), withinMs));
  const outcomes = await Promise.all(
    Object.entries(calls).map(async ([name, call]) => [name, await Promise.race([outcomeOf(call), late()])] as const),
  );
  return Object.fromEntries(outcomes.filter(([, outcome]) => !allowed.has(outcome)));
}

async function outcomeOf(call: () => Promise<unknown>): Promise<string> {
  try {
    return `answered ${JSON.stringify(await call())}`;
  } catch (error) {
    return error instanceof NerveError ? error.kind : `threw ${String(error)}`;
  }
}
