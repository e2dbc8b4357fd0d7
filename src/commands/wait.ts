import { Args, Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';
import { jobArg } from '../terminal/job-arg.ts';

const POLL_REAL_MS = 300;

export default class Wait extends NerveCommand {
  static override description =
    'Wait until a job has ended. Exits with 0 if it succeeded in time, 100 if it failed, 101 if the wait timed out, 103 if it was cancelled, 104 if it succeeded after its deadline.';
  static override examples = ['<%= config.bin %> wait j-k3f8a2xq --timeout 2h'];
  static override args = { job: Args.string(jobArg) };
  static override flags = { timeout: Flags.string({ description: 'give up waiting after this long (the job goes on): 30m, 2h' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Wait);
    const { readJob } = await import('../intake/request.ts');
    const { report } = await import('../engine/report.ts');
    const { parseLength, localZone } = await import('../terminal/when.ts');
    const { failedAttempt, failureLines, lastFailure } = await import('../terminal/describe.ts');
    const { stateSentence } = await import('../terminal/sentences.ts');
    const timeoutMs = flags.timeout === undefined ? Number.POSITIVE_INFINITY : parseLength(flags.timeout, 'timeout');
    const { withTarget } = await import('../terminal/with-target.ts');
    return withTarget<unknown>(flags, {
      local: async ({ queue, cloud, clock, settings, label }) => {
        const untilMs = performance.now() + timeoutMs;
        for (;;) {
          const { record, state } = await readJob(queue.records, args.job);
          if (state.finished !== null || performance.now() >= untilMs) {
            const failed = state.finished?.result === 'failed';
            const tail = failed ? lastFailure(state) : null;
            const lastFailureExitCode = failed ? (failedAttempt(state)?.exitCode ?? null) : null;
            const seen = state.finished === null ? await cloud.attempts({ jobId: args.job }).catch(() => []) : [];
            const sentence = stateSentence(state, seen, { settings, nowMs: clock.nowMs(), zone: localZone() });
            this.log([label, `${args.job}  ${sentence}`, ...failureLines(tail, lastFailureExitCode)].join('\n'));
            process.exitCode = exitCode(state.finished);
            return { ...report(record), lastFailure: tail, lastFailureExitCode };
          }
          await clock.sleep(POLL_REAL_MS);
        }
      },
      cluster: async (session) => {
        const { waitForPods } = await import('../terminal/wait-pods.ts');
        const { podSentence } = await import('../terminal/pod-words.ts');
        const { job, exit } = await waitForPods(session.cluster, args.job, timeoutMs);
        this.log(`${session.label}\n${job.jobId}  ${exit === 101 || job.phase !== 'gone' ? podSentence(job, Date.now()) : 'its pods were deleted'}`);
        process.exitCode = exit;
        return { target: session.target, ...job };
      },
    });
  }
}

function exitCode(finished: { readonly result: string; readonly late: boolean } | null): number {
  if (finished === null) return 101;
  if (finished.result === 'failed') return 100;
  if (finished.result === 'cancelled') return 103;
  return finished.late ? 104 : 0;
}
