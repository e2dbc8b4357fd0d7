import { Args } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg, withSession } from '../terminal/with-session.ts';

export default class Status extends NerveCommand {
  static override description = 'Show where a job is and what is planned for it.';
  static override examples = ['<%= config.bin %> status j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Status);
    const { readJob } = await import('../intake/request.ts');
    const { describe, lines } = await import('../terminal/describe.ts');
    return withSession(flags, async (session) => {
      const { record, state } = await readJob(session.queue.records, args.job);
      const seen = await session.cloud.attempts({ jobId: args.job }).catch(() => []);
      const view = describe(record, state, seen, session);
      this.log([session.label, ...lines(view, session.clock.nowMs())].join('\n'));
      return view;
    });
  }
}
