import { Args } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg, withSession } from '../terminal/with-session.ts';

export default class Resume extends NerveCommand {
  static override description = 'Let a paused job go on.';
  static override examples = ['<%= config.bin %> resume j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Resume);
    const { request } = await import('../intake/request.ts');
    return withSession(flags, async ({ queue, clock, label, target }) => {
      const before = await request(queue.records, queue.alarms, args.job, (state) =>
        !state.pausedByUser ? null : { type: 'unpaused', atMs: clock.nowMs() },
      );
      this.log(`${label}\n${args.job}  may run again`);
      return { target, jobId: args.job, requested: 'resume', phaseBefore: before.phase };
    });
  }
}
