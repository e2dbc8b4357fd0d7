import { Args } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg, withSession } from '../terminal/with-session.ts';

export default class Cancel extends NerveCommand {
  static override description = 'End a job for good; what it has sealed stays where it is.';
  static override examples = ['<%= config.bin %> cancel j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Cancel);
    const { request } = await import('../intake/request.ts');
    return withSession(flags, async ({ queue, clock, label, target }) => {
      const before = await request(queue.records, queue.alarms, args.job, (state) =>
        state.cancelRequested ? null : { type: 'cancel-requested', atMs: clock.nowMs() },
      );
      this.log(`${label}\n${args.job}  is being cancelled`);
      return { target, jobId: args.job, requested: 'cancel', phaseBefore: before.phase };
    });
  }
}
