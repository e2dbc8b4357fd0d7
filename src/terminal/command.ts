// What every command shares: --json, the target, and errors that say what, why and what next with the documented exit code.

import { Command, Errors, Flags } from '@oclif/core';
import { asText, exitCodeOf } from './exit-code.ts';
import { asJson, toNerveError } from './tell-error.ts';
import { wrap } from './wrap.ts';

const targetFlag = Flags.string({
  description: 'where jobs run; default: a running "nerve up" of yours, else the current kube context',
  options: ['local', 'cluster'],
  helpGroup: 'GLOBAL',
});

const contextFlag = Flags.string({ description: 'kube context; default: the current one. Means --target cluster', helpGroup: 'GLOBAL' });

const namespaceFlag = Flags.string({
  char: 'n',
  description: "namespace of the jobs; default: nerve.yaml's, else the context's. Means --target cluster",
  helpGroup: 'GLOBAL',
});

export abstract class NerveCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = { target: targetFlag, context: contextFlag, namespace: namespaceFlag };

  /** stderr is talk: notes and warnings that are no part of the answer. */
  protected say(text: string): void {
    if (!this.jsonEnabled()) process.stderr.write(`${wrap(text, process.stderr.columns)}\n`);
  }

  override log(text = ''): void {
    super.log(wrap(text, process.stdout.columns));
  }

  protected override async catch(error: Error & { exitCode?: number }): Promise<never> {
    if (error instanceof Errors.ExitError) throw error;
    const told = toNerveError(error, (this.id ?? '').replaceAll(':', ' '));
    if (this.jsonEnabled()) this.logJson(asJson(told));
    else process.stderr.write(wrap(asText(told), process.stderr.columns));
    throw new Errors.ExitError(exitCodeOf(told));
  }
}
