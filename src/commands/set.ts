import { Args, Flags } from '@oclif/core';
import { NerveError } from '../engine/errors.ts';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg } from '../terminal/job-arg.ts';

export default class Set extends NerveCommand {
  static override description = 'Change the deadline of a job that has not ended.';
  static override examples = ['<%= config.bin %> set j-k3f8a2xq --deadline "friday 18:00"'];
  static override args = { job: Args.string(jobArg) };
  static override flags = {
    deadline: Flags.string({ char: 'd', required: true, description: 'the new deadline, as for submit' }),
    'time-zone': Flags.string({ description: "zone of the deadline's wall time; default: this machine's" }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Set);
    const { request } = await import('../intake/request.ts');
    const { onDemandNeedMs } = await import('../engine/slack.ts');
    const { localZone, parseDeadline, span, written } = await import('../terminal/when.ts');
    const { withTarget } = await import('../terminal/with-target.ts');
    return withTarget<unknown>(flags, {
      local: async ({ queue, clock, settings, config, label, target }) => {
        const zone = flags['time-zone'] ?? config.job.timeZone ?? localZone();
        const nowMs = clock.nowMs();
        const deadlineMs = parseDeadline(flags.deadline, nowMs, zone);
        await request(queue.records, queue.alarms, args.job, (state) => {
          const nearestMs = nowMs + onDemandNeedMs(state, settings);
          if (deadlineMs < nearestMs && deadlineMs < state.deadlineMs) {
            throw new NerveError('refused', `This deadline cannot be met: it is ${span(nearestMs - deadlineMs)} too short.`, {
              hint: `The nearest one that can be promised is ${written(nearestMs, zone)}.`,
            });
          }
          return { type: 'amended', atMs: nowMs, deadlineMs };
        });
        this.log(`${label}\n${args.job}  deadline ${written(deadlineMs, zone)}, in ${span(deadlineMs - nowMs)}`);
        return { target, jobId: args.job, deadlineMs };
      },
      cluster: async (session) => {
        const { config, label, target } = session;
        const { askPod } = await import('../terminal/ask-job.ts');
        const { rfc3339 } = await import('../intake/cluster-job.ts');
        const zone = flags['time-zone'] ?? config.job.timeZone ?? localZone();
        const deadlineMs = parseDeadline(flags.deadline, Date.now(), zone);
        await askPod(session, args.job, `deadline=${rfc3339(deadlineMs)}`);
        this.log(`${label}\n${args.job}  deadline ${written(deadlineMs, zone)}, in ${span(deadlineMs - Date.now())}`);
        return { target, jobId: args.job, deadlineMs };
      },
    });
  }
}
