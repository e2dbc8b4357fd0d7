import { createInterface } from 'node:readline/promises';
import { Args, Flags } from '@oclif/core';
import { NerveError } from '../engine/errors.ts';
import type { Quote } from '../engine/quote.ts';
import { usd } from '../terminal/figures.ts';
import { NerveCommand } from '../terminal/command.ts';

export const jobFlags = {
  deadline: Flags.string({ char: 'd', description: 'when it must be done: +6h, 18:00, "tomorrow 8am", "friday 18:30", 2026-11-25T08:00+01:00' }),
  duration: Flags.string({ description: 'how long one undisturbed run takes: 90m, 2h30m; default: the median of finished runs of the same name' }),
  profile: Flags.string({
    description:
      'where no duration is known: run at once on the cheapest spot, so long at most, until the program has said how long it takes; then plan',
  }),
  name: Flags.string({ char: 'n', description: 'name of the job; default: the name of the script' }),
  file: Flags.string({ char: 'f', description: 'YAML file with these settings (flags win) and the command' }),
  zone: Flags.string({ multiple: true, description: 'acceptable zone id, repeatable; default: every zone of the region' }),
  'instance-type': Flags.string({ multiple: true, description: 'acceptable instance type, repeatable' }),
  interruptible: Flags.boolean({
    allowNo: true,
    description: 'it may be stopped and resumed where that pays, and so runs in the best hours; it must checkpoint',
  }),
  optimize: Flags.string({ options: ['cost', 'carbon', 'balanced'], description: 'what to look for while there is slack' }),
  'carbon-price': Flags.custom<number>({ parse: async (text) => positive(text, 'carbon-price', true) })({
    description: 'USD per tonne of CO2e in the objective',
  }),
  'max-price': Flags.custom<number>({ parse: async (text) => positive(text, 'max-price', false) })({
    description: 'never pay more, in USD/h; a cap can cost the deadline, and the quote says so',
  }),
  retries: Flags.integer({ min: 0, description: "how many of the job's own failures are forgiven" }),
  'checkpoint-uri': Flags.string({ description: 'where checkpoints go: s3://bucket/prefix or file:///folder' }),
  'time-zone': Flags.string({ description: "zone of the deadline's wall time; default: this machine's" }),
};

function positive(text: string, name: string, zero: boolean): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0 || (value === 0 && !zero))
    throw new NerveError('usage', `--${name} must be a number above ${zero ? 'or equal to ' : ''}0, not "${text}".`);
  return value;
}

export default class Submit extends NerveCommand {
  static override description =
    'Queue a command with a deadline. It runs when it is cheapest (or greenest), survives interruptions, and is not late.';
  static override examples = [
    '<%= config.bin %> submit --deadline "tomorrow 8am" --duration 3h -- python train.py --epochs 10',
    '<%= config.bin %> submit -d +6h --optimize carbon -- ./render.sh',
    '<%= config.bin %> submit --file job.yaml --json',
  ];
  static override strict = false;
  static override args = { command: Args.string({ description: 'the command, after --' }) };
  static override flags = jobFlags;

  async run(): Promise<unknown> {
    const { flags, argv } = await this.parse(Submit);
    const { openSession, where } = await import('../wire.ts');
    const { prepareSpec } = await import('../terminal/prepare.ts');
    const { submitJob, UNKNOWN } = await import('../intake/submit.ts');
    const session = await openSession(where(flags));
    try {
      this.say(session.label);
      const ask = process.stdin.isTTY === true && !this.jsonEnabled() ? question : null;
      const { spec, zone, understood } = await prepareSpec(session, flags, argv as string[], ask);
      await session.keepEnvironment(spec.id);
      const { queue, clock, market, settings } = session;
      const offer = await submitJob({ records: queue.records, alarms: queue.alarms, clock }, spec, await market.view(), settings).catch(
        async (error: unknown) => {
          if (!(error instanceof NerveError && error.fields['taken'] === UNKNOWN)) await session.forgetEnvironment(spec.id);
          throw error;
        },
      );
      if (!offer.feasible) {
        await session.forgetEnvironment(spec.id);
        throw await infeasible(offer, zone, clock.nowMs());
      }
      const { planSentence } = await import('../terminal/sentences.ts');
      for (const warning of offer.warnings) this.say(`warning: ${warning}`);
      this.say(understood);
      this.say(planSentence(offer, clock.nowMs(), zone));
      this.log(spec.id);
      return {
        jobId: spec.id,
        target: session.target,
        name: spec.name,
        deadlineMs: spec.deadlineMs,
        workMs: spec.workMs,
        workSource: spec.workSource,
        quote: offer,
      };
    } finally {
      await session.close();
    }
  }
}

export async function infeasible(offer: Quote, zone: string, nowMs: number): Promise<NerveError> {
  const { span, written } = await import('../terminal/when.ts');
  return new NerveError(
    'refused',
    `This deadline cannot be met: it is ${span(offer.shortfallMs)} too short, even on demand and starting now (${offer.onDemandCostUsd === null ? 'no price' : usd(offer.onDemandCostUsd)}).`,
    {
      hint: `The nearest deadline that can be promised is ${written(Math.ceil(offer.nearestDeadlineMs / 60_000) * 60_000, zone)} (+${span(offer.nearestDeadlineMs - nowMs)}).`,
      fields: { shortfallMs: offer.shortfallMs, nearestDeadlineMs: offer.nearestDeadlineMs },
    },
  );
}

async function question(text: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(text);
  } finally {
    terminal.close();
  }
}
