// What every command shares: --json, the target, and errors that say what, why and what next with the documented exit code.

import { Command, Errors, Flags } from '@oclif/core';
import { type ErrorKind, NerveError } from '../engine/errors.ts';

/** DESIGN section 7. */
const EXIT: Readonly<Record<ErrorKind, number>> = { usage: 2, unreachable: 3, refused: 4, 'not-found': 102, retryable: 1, conflict: 1, fatal: 1 };

const targetFlag = Flags.string({
  description: 'where jobs run; default: a running "nerve up" of yours, else the current kube context',
  options: ['local', 'cluster'],
  helpGroup: 'GLOBAL',
});

export abstract class NerveCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = { target: targetFlag };

  /** stderr is talk: notes and warnings that are no part of the answer. */
  protected say(text: string): void {
    if (!this.jsonEnabled()) process.stderr.write(`${text}\n`);
  }

  protected override async catch(error: Error & { exitCode?: number }): Promise<never> {
    if (!(error instanceof NerveError)) return super.catch(error) as Promise<never>;
    if (this.jsonEnabled()) {
      this.logJson({ error: { kind: error.kind, message: error.message, hint: error.hint ?? null, ...error.fields } });
    } else {
      process.stderr.write(`nerve: ${error.message}\n${error.hint === undefined ? '' : `       ${error.hint}\n`}`);
    }
    throw new Errors.ExitError(EXIT[error.kind]);
  }
}
