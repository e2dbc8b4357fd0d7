import { Args } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Explain extends NerveCommand {
  static override description = 'Say why a job is where it is: one sentence, then the numbers, then what was not chosen.';
  static override examples = ['<%= config.bin %> explain j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Explain);
    const { readJob } = await import('../intake/request.ts');
    const { shown } = await import('../engine/shown.ts');
    const { explain } = await import('../engine/explain.ts');
    const { usd, table } = await import('../terminal/figures.ts');
    const { localZone, short, span } = await import('../terminal/when.ts');
    const { withTarget } = await import('../terminal/with-target.ts');
    return withTarget<unknown>(flags, {
      local: async ({ queue, cloud, clock, market, settings, label, target }) => {
        const { state } = await readJob(queue.records, args.job);
        const nowMs = clock.nowMs();
        const known = explain(state, await market.view(), settings, nowMs, { instant: (ms) => short(ms, nowMs, localZone()), span, usd });
        const { silent } = shown(state, await cloud.attempts({ jobId: args.job }).catch(() => []), settings, nowMs);
        const why = silent ? { ...known, numbers: [...known.numbers, { name: 'progress', value: 'it reports none' }] } : known;
        this.log([label, why.sentence, '', table(why.numbers.map(({ name, value }) => [name, value]))].join('\n'));
        if (why.rejected.length > 0) this.log(`\nNot chosen:\n${why.rejected.map((line) => `  ${line}`).join('\n')}`);
        return { target, jobId: args.job, ...why };
      },
      cluster: async ({ cluster, label, target }) => {
        const { findJob } = await import('../terminal/find-pods.ts');
        const { podExplanation } = await import('../terminal/pod-words.ts');
        const { job } = await findJob(cluster, args.job);
        const why = podExplanation(job, Date.now());
        this.log([label, why.sentence, '', table(why.numbers.map(({ name, value }) => [name, value]))].join('\n'));
        return { target, jobId: job.jobId, ...why, rejected: [] };
      },
    });
  }
}
