import { NerveError } from '../engine/errors.ts';
import { commandArg, splitCommand } from '../terminal/command-words.ts';
import { NerveCommand } from '../terminal/command.ts';
import { jobFlags } from '../terminal/submit-flags.ts';

export default class QuoteCommand extends NerveCommand {
  static override description = 'Say when, where and for how much a job would run, without submitting it.';
  static override examples = ['<%= config.bin %> quote --deadline "tomorrow 8am" --duration 3h -- python train.py'];
  static override strict = false;
  static override args = commandArg('the command, after --; may be left out');
  static override flags = jobFlags;

  async run(): Promise<unknown> {
    const {
      parsed: { flags },
      command: typed,
    } = await splitCommand(this.argv, (own) => this.parse(QuoteCommand, own));
    const { openSession, where } = await import('../wire.ts');
    const { prepareSpec } = await import('../terminal/prepare.ts');
    const { planLines, planSentence } = await import('../terminal/sentences.ts');
    const { quote } = await import('../engine/quote.ts');
    const { infeasible } = await import('../terminal/infeasible.ts');
    const at = where(flags);
    if (at.config.target === 'cluster')
      throw new NerveError('usage', 'A quote needs the market, and in a cluster the worker has it.', {
        hint: 'nerve submit --dry-run shows the pod; the plan is shown when it is submitted.',
      });
    const session = await openSession(at);
    try {
      const { spec, zone, understood } = await prepareSpec(session, flags, typed.length > 0 ? typed : null, null);
      const nowMs = session.clock.nowMs();
      const offer = quote(spec, await session.market.view(), session.settings, nowMs);
      if (!offer.feasible) throw infeasible(offer, zone, nowMs);
      this.log(
        [
          session.label,
          understood,
          planSentence(offer, nowMs, zone, spec.maxPriceUsdPerHour),
          ...planLines(offer, nowMs, zone),
          ...offer.warnings.map((w) => `warning: ${w}`),
        ].join('\n'),
      );
      return { target: session.target, ...offer };
    } finally {
      await session.close();
    }
  }
}
