import { Args } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg, withSession } from '../terminal/with-session.ts';

export default class Release extends NerveCommand {
  static override description = 'Start a held job now, in the cheapest place there is, instead of waiting for its window.';
  static override examples = ['<%= config.bin %> release j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Release);
    const { request } = await import('../intake/request.ts');
    return withSession(flags, async ({ queue, clock, label, target }) => {
      const before = await request(queue.records, queue.alarms, args.job, (state) =>
        state.releaseRequested || state.phase !== 'held' ? null : { type: 'release-requested', atMs: clock.nowMs() },
      );
      this.log(`${label}\n${args.job}  is released`);
      return { target, jobId: args.job, requested: 'release', phaseBefore: before.phase };
    });
  }
}
