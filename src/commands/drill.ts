import { Args, Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Drill extends NerveCommand {
  static override description =
    'Ask a running job for a checkpoint as if its machine were taken back, and say whether it would have been in time: PASS or FAIL (exit 1) against 120 s. The job goes on, nothing is cordoned, and no total counts it.';
  static override examples = ['<%= config.bin %> drill j-k3f8a2xq'];
  static override args = { job: Args.string(jobArg) };
  static override flags = { timeout: Flags.string({ default: '5m', description: 'give up waiting for the checkpoint after this long' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Drill);
    const { drillJob, drillLines } = await import('../terminal/drill-job.ts');
    const { parseLength } = await import('../terminal/when.ts');
    const { label, ...report } = await drillJob(flags, args.job, parseLength(flags.timeout, 'timeout'));
    this.log([label, ...drillLines(report)].join('\n'));
    if (!report.passed) process.exitCode = 1;
    return report;
  }
}
