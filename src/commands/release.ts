import { Args, Flags } from '@oclif/core';
import { NerveError } from '../engine/errors.ts';
import { NerveCommand } from '../terminal/command.ts';
import { count } from '../terminal/figures.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Release extends NerveCommand {
  static override description =
    'Start a held job now, in the cheapest place there is, instead of waiting for its window. With --all: open every gate of a namespace by hand, without Nerve.';
  static override examples = ['<%= config.bin %> release j-k3f8a2xq', '<%= config.bin %> release --all --namespace team-a'];
  static override args = { job: Args.string({ ...jobArg, required: false }) };
  static override flags = {
    all: Flags.boolean({ description: 'in a cluster: take the gate off every held pod of the namespace; works when Nerve is dead' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Release);
    const all = flags.all === true;
    if ((args.job === undefined) !== all)
      throw new NerveError('usage', args.job === undefined ? 'JOB is missing.' : '--all takes no job.', {
        hint: 'nerve release JOB, or nerve release --all',
      });
    if (all) return this.releaseAll(flags);
    const job = args.job ?? '';
    const { askJob } = await import('../terminal/ask-job.ts');
    const { label, target, phaseBefore } = await askJob(flags, job, 'release', (state, atMs) =>
      state.releaseRequested || state.phase !== 'held' ? null : { type: 'release-requested', atMs },
    );
    this.log(`${label}\n${job}  is released`);
    return { target, jobId: job, requested: 'release', phaseBefore };
  }

  private async releaseAll(flags: { readonly target?: string | undefined; readonly context?: string | undefined }): Promise<unknown> {
    const { withTarget } = await import('../terminal/with-target.ts');
    const { openGates } = await import('../terminal/open-gates.ts');
    return withTarget(
      flags,
      {
        local: async () => {
          throw new NerveError('usage', '--all opens the gates of a cluster; this machine has none.', {
            hint: 'nerve release JOB, or --target cluster.',
          });
        },
        cluster: async ({ cluster, label }) => {
          const pods = await openGates(cluster);
          this.log(
            `${label}\n${count(pods.length, 'gate')} opened: the cluster's own scheduler places ${pods.length === 1 ? 'that pod' : 'them'} now`,
          );
          return { target: 'cluster', released: pods };
        },
      },
      false,
    );
  }
}
