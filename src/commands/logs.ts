import { Args, Flags } from '@oclif/core';
import { NerveError } from '../engine/errors.ts';
import { NerveCommand } from '../terminal/command.ts';
import { count } from '../terminal/figures.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Logs extends NerveCommand {
  static override description = "Print what a job's processes printed, attempt after attempt.";
  static override examples = ['<%= config.bin %> logs j-k3f8a2xq -f', '<%= config.bin %> logs j-k3f8a2xq --attempt 1'];
  static override enableJsonFlag = false;
  static override args = { job: Args.string(jobArg) };
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'go on until the job ends' }),
    attempt: Flags.integer({ min: 1, description: 'only this attempt' }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Logs);
    const { readJob } = await import('../intake/request.ts');
    const { followLogs } = await import('../terminal/follow.ts');
    const { withTarget } = await import('../terminal/with-target.ts');
    await withTarget<void>(flags, {
      local: async (session) => {
        const { state } = await readJob(session.queue.records, args.job);
        if (flags.attempt !== undefined && flags.attempt > state.attempts.length) {
          throw new NerveError('not-found', `Job ${args.job} has had ${count(state.attempts.length, 'attempt')}, none with number ${flags.attempt}.`);
        }
        this.say(session.label);
        if (state.attempts.length === 0 && !flags.follow) this.say('It has not started yet: there is no output.');
        await followLogs(session, args.job, { follow: flags.follow, attempt: flags.attempt ?? null }, (text) => process.stdout.write(text));
      },
      cluster: async ({ cluster, label }) => {
        const { podLogs } = await import('../terminal/pod-logs.ts');
        this.say(label);
        await podLogs(
          cluster,
          args.job,
          { follow: flags.follow, attempt: flags.attempt ?? null },
          (text) => process.stdout.write(text),
          (note) => this.say(note),
        );
      },
    });
  }
}
