import { Args, Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { count } from '../terminal/figures.ts';

export default class Checkpoints extends NerveCommand {
  static override description = "List a job's checkpoints: step, size, how long each took, age, and which attempt sealed it. Newest first.";
  static override examples = ['<%= config.bin %> checkpoints j-k3f8a2xq', '<%= config.bin %> checkpoints s3://bucket/train/j-k3f8a2xq --last 50'];
  static override args = {
    job: Args.string({
      description: 'id of the job, or where its checkpoints are: s3://bucket/prefix or file:///folder',
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = { last: Flags.integer({ default: 20, min: 1, max: 1000, description: 'how many entries of the log to show' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Checkpoints);
    const { checkpointUriOf } = await import('../terminal/checkpoint-uri.ts');
    const { readSeals, sealTable } = await import('../terminal/seals.ts');
    const { openSealLog } = await import('../wire.ts');
    const { uri, label } = await checkpointUriOf(args.job, flags);
    if (label !== null) this.say(label);
    const { total, seals } = await readSeals(await openSealLog(uri), flags.last);
    this.log(total === 0 ? `${uri}\nNo seal is there yet.` : `${uri}  ${count(total, 'entry', 'entries')}\n${sealTable(seals, Date.now())}`);
    return { uri, total, seals };
  }
}
