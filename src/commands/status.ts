import { Args } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Status extends NerveCommand {
  static override description = 'Show where a job is and what is planned for it.';
  static override examples = ['<%= config.bin %> status j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Status);
    const { readJob } = await import('../intake/request.ts');
    const { describe, lines } = await import('../terminal/describe.ts');
    const { withTarget } = await import('../terminal/with-target.ts');
    return withTarget<unknown>(flags, {
      local: async (session) => {
        const { record, state } = await readJob(session.queue.records, args.job);
        const seen = await session.cloud.attempts({ jobId: args.job }).catch(() => []);
        const view = describe(record, state, seen, session);
        this.log([session.label, ...lines(view, session.clock.nowMs())].join('\n'));
        return view;
      },
      cluster: async ({ cluster, label, target }) => {
        const { findJob } = await import('../terminal/find-pods.ts');
        const { podLines, podSentence } = await import('../terminal/pod-words.ts');
        const { job } = await findJob(cluster, args.job);
        this.log([label, ...podLines(job, Date.now())].join('\n'));
        return { target, context: cluster.context, namespace: cluster.namespace, ...job, sentence: podSentence(job, Date.now()) };
      },
    });
  }
}
