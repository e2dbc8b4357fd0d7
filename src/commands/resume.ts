import { Args } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Resume extends NerveCommand {
  static override description = 'Let a paused job go on.';
  static override examples = ['<%= config.bin %> resume j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Resume);
    const { askJob } = await import('../terminal/ask-job.ts');
    const { label, target, phaseBefore } = await askJob(flags, args.job, 'resume', (state, atMs) =>
      state.pausedByUser ? { type: 'unpaused', atMs } : null,
    );
    this.log(`${label}\n${args.job}  may run again`);
    return { target, jobId: args.job, requested: 'resume', phaseBefore };
  }
}
