import { Args } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Cancel extends NerveCommand {
  static override description = 'End a job for good; what it has sealed stays where it is.';
  static override examples = ['<%= config.bin %> cancel j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Cancel);
    const { askJob } = await import('../terminal/ask-job.ts');
    const { label, target, phaseBefore } = await askJob(flags, args.job, 'cancel', (state, atMs) =>
      state.cancelRequested ? null : { type: 'cancel-requested', atMs },
    );
    this.log(`${label}\n${args.job}  is being cancelled`);
    return { target, jobId: args.job, requested: 'cancel', phaseBefore };
  }
}
