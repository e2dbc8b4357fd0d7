// The one error class. Expected outcomes are values; this is for what a caller cannot plan.

/** `retryable`: try again later. `not-found`, `conflict`: often success, re-observe. `refused`: the user must change something. `fatal`: give up. */
export type ErrorKind = 'retryable' | 'not-found' | 'conflict' | 'refused' | 'usage' | 'unreachable' | 'fatal';

export class NerveError extends Error {
  readonly kind: ErrorKind;
  /** What to do next, one imperative sentence. */
  readonly hint: string | undefined;
  /** Ids and values for logs and --json. */
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(kind: ErrorKind, message: string, options: { hint?: string; cause?: unknown; fields?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'NerveError';
    this.kind = kind;
    this.hint = options.hint;
    this.fields = options.fields ?? {};
  }
}
