// What the doctor says about one thing, and the worst of several as an exit code.

export interface Finding {
  /** Which check, for scripts. */
  readonly check: string;
  /** `unknown`: it could not be looked at with these rights, or from here. */
  readonly status: 'ok' | 'warn' | 'fail' | 'unknown';
  readonly what: string;
  /** What to do; null when there is nothing to do. */
  readonly fix: string | null;
}

export const ok = (check: string, what: string): Finding => ({ check, status: 'ok', what, fix: null });
export const warn = (check: string, what: string, fix: string): Finding => ({ check, status: 'warn', what, fix });
export const fail = (check: string, what: string, fix: string): Finding => ({ check, status: 'fail', what, fix });
export const unknown = (check: string, what: string, fix: string): Finding => ({ check, status: 'unknown', what, fix });

/** Something that was looked at, or why it could not be. */
export type Fact<T> = { readonly known: T } | { readonly unknown: string };

/** Judges a fact that is known; else says why it is not, and what would show it. */
export function judge<T>(check: string, fact: Fact<T>, how: string, known: (value: T) => Finding | readonly Finding[]): readonly Finding[] {
  if ('unknown' in fact) return [unknown(check, `not looked at: ${fact.unknown}`, how)];
  const found = known(fact.known);
  return Array.isArray(found) ? (found as readonly Finding[]) : [found as Finding];
}
