import { Flags } from '@oclif/core';
import { NerveError } from '../engine/errors.ts';
import { type PolicyName, POLICIES } from '../simulate/policies.ts';
import type { SimulatedJob } from '../simulate/run.ts';
import { NerveCommand } from '../terminal/command.ts';

const HOUR_MS = 3_600_000;

export default class Simulate extends NerveCommand {
  static override description =
    'Replay jobs over a recorded or synthetic market with any policy: what they would have cost, emitted, and how late they would have been.';
  static override examples = [
    '<%= config.bin %> simulate --sample 200',
    '<%= config.bin %> simulate --file jobs.yaml --trace p3.2xlarge_us-east-1.json.gz',
    '<%= config.bin %> simulate --past 100 --policy nerve --policy on-demand --json',
  ];
  static override flags = {
    file: Flags.string({ char: 'f', description: 'jobs to replay: a YAML or JSON list of {duration, deadline, submit, count, every, ...}' }),
    past: Flags.integer({ min: 1, description: 'replay your own jobs that ended last, so many at most' }),
    sample: Flags.integer({ min: 1, max: 100_000, description: 'replay so many made-up jobs; default: 100 of them' }),
    trace: Flags.string({ description: 'recorded market (JSON, may be gzipped); default: a synthetic one' }),
    grid: Flags.string({ description: 'recorded grid (JSON, may be gzipped) to lay beside --trace' }),
    days: Flags.integer({ min: 1, max: 366, default: 7, description: 'length of the synthetic market' }),
    seed: Flags.string({ default: '1', description: 'of the synthetic market and of --sample' }),
    policy: Flags.string({ multiple: true, options: [...POLICIES], description: 'what drives the jobs, repeatable; default: all of them' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Simulate);
    const asked = [flags.file, flags.past, flags.sample].filter((source) => source !== undefined);
    if (asked.length > 1)
      throw new NerveError('usage', 'Only one of --file, --past and --sample can say which jobs.', { hint: 'Leave the others out.' });
    if (flags.grid !== undefined && flags.trace === undefined) throw new NerveError('usage', '--grid is laid beside --trace, which is missing.');
    const { simulate, outside } = await import('../simulate/run.ts');
    const { endOf } = await import('../simulate/market-trace.ts');
    const { marketFor, sampleJobs, pastJobs } = await import('../terminal/simulate-input.ts');
    const { simulatedLines } = await import('../terminal/simulated.ts');
    const { written } = await import('../terminal/when.ts');
    const past = flags.past === undefined ? null : await pastJobs(flags.target, flags.past);
    const trace = await marketFor(flags, past?.jobs ?? []);
    const jobs: readonly SimulatedJob[] =
      past?.jobs ??
      (flags.file === undefined
        ? sampleJobs(trace, flags.seed, flags.sample ?? 100)
        : (await import('../terminal/jobs-file.ts')).readJobsFile(flags.file, trace.startMs));
    const strangers = outside(trace, jobs);
    const [first] = strangers;
    if (first !== undefined) {
      throw new NerveError(
        'usage',
        `${strangers.length} of ${jobs.length} jobs do not lie within the trace, which goes from ${written(trace.startMs, 'UTC')} to ${written(endOf(trace), 'UTC')}: the first is "${first.name}".`,
        { hint: flags.trace === undefined ? 'Make the synthetic market longer with --days.' : 'Change submit and deadline, or give a longer trace.' },
      );
    }
    const policies = (flags.policy ?? POLICIES) as readonly PolicyName[];
    const results = simulate({ trace, jobs, policies, startOverheadMs: HOUR_MS / 12 });
    const notes = past === null || past.leftOut === null ? trace.oddities : [past.leftOut, ...trace.oddities];
    this.log(simulatedLines({ ...trace, oddities: notes }, results).join('\n'));
    return { source: trace.source, startMs: trace.startMs, endMs: endOf(trace), tickMs: trace.tickMs, notes, results };
  }
}
