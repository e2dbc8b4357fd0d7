import { Args, Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Drill extends NerveCommand {
  static override description =
    'Ask a running job for a checkpoint as if its machine were taken back, and say whether it would have been in time: PASS or FAIL (exit 1) against 120 s. The job goes on, nothing is cordoned, and no total counts it. With --move the job also goes on in another zone, which counts as one of its two moves an hour.';
  static override examples = ['<%= config.bin %> drill j-k3f8a2xq', '<%= config.bin %> drill j-k3f8a2xq --move'];
  static override args = { job: Args.string(jobArg) };
  static override flags = {
    move: Flags.boolean({ description: 'seal a final checkpoint, go on in another zone, and wait until it has resumed there' }),
    timeout: Flags.string({ default: '5m', description: 'give up waiting after this long' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Drill);
    const { parseLength } = await import('../terminal/when.ts');
    const timeoutMs = parseLength(flags.timeout, 'timeout');
    if (flags.move) {
      const { drillMove, moveLines } = await import('../terminal/drill-move.ts');
      const { label, ...report } = await drillMove(flags, args.job, timeoutMs);
      return this.#say(label, moveLines(report), report);
    }
    const { drillJob, drillLines } = await import('../terminal/drill-job.ts');
    const { label, ...report } = await drillJob(flags, args.job, timeoutMs);
    return this.#say(label, drillLines(report), report);
  }

  #say<T extends { readonly passed: boolean }>(label: string, lines: readonly string[], report: T): T {
    this.log([label, ...lines].join('\n'));
    if (!report.passed) process.exitCode = 1;
    return report;
  }
}
