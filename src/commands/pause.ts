import { Args } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Pause extends NerveCommand {
  static override description = 'Checkpoint a job and hold it until "nerve resume". Its alarm stays and warns when the latest start comes.';
  static override examples = ['<%= config.bin %> pause j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Pause);
    const { askJob } = await import('../terminal/ask-job.ts');
    const { label, target, phaseBefore } = await askJob(flags, args.job, 'pause', (state, atMs) =>
      state.pausedByUser ? null : { type: 'paused', atMs },
    );
    this.log(`${label}\n${args.job}  is being paused; go on with: nerve resume ${args.job}`);
    return { target, jobId: args.job, requested: 'pause', phaseBefore };
  }
}
