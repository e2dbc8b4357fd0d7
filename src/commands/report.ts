import { Args, Flags } from '@oclif/core';
import { NerveError } from '../engine/errors.ts';
import { NerveCommand } from '../terminal/command.ts';
import { withRecords } from '../terminal/with-records.ts';

export default class Report extends NerveCommand {
  static override description =
    'Show what a job cost and emitted, against starting at once, on demand, uninterrupted. Without a job: the sum over finished jobs. A loss shows as a negative saving.';
  static override examples = [
    '<%= config.bin %> report j-k3f8a2xq',
    '<%= config.bin %> report j-k3f8a2xq --events --json',
    '<%= config.bin %> report --last 100',
  ];
  static override args = { job: Args.string({ description: 'id of the job; left out: all finished jobs', ignoreStdin: true }) };
  static override flags = {
    events: Flags.boolean({ description: "print the job's record, from which every figure is derived" }),
    last: Flags.integer({ default: 1000, min: 1, description: 'how many finished jobs to sum' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Report);
    if (flags.events && args.job === undefined) throw new NerveError('usage', '--events needs a job.', { hint: 'nerve report JOB --events' });
    const { jobLines, totalLines } = await import('../terminal/ledger.ts');
    const { totals } = await import('../engine/report.ts');
    return withRecords(flags, async ({ records, label, target }) => {
      if (args.job === undefined) {
        const reports = await Promise.all((await records.finishedIds(flags.last)).map((jobId) => records.reportOf(jobId)));
        const sums = totals(reports.filter((r) => r !== null));
        this.log([label, ...totalLines(sums)].join('\n'));
        return { target, ...sums };
      }
      if (flags.events) {
        const { readJob } = await import('../intake/request.ts');
        const { record } = await readJob(records, args.job);
        for (const event of record.events) this.log(JSON.stringify(event));
        return record;
      }
      const ledger = await records.reportOf(args.job);
      if (ledger === null) throw new NerveError('not-found', `There is no job ${args.job}.`, { hint: '"nerve list" shows those there are.' });
      this.log([label, ...jobLines(ledger)].join('\n'));
      return { target, ...ledger };
    });
  }
}
