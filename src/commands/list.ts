import { Flags } from '@oclif/core';
import { NerveCommand } from '../terminal/command.ts';

export default class List extends NerveCommand {
  static override description = 'List live jobs and those that ended last.';
  static override examples = ['<%= config.bin %> list', '<%= config.bin %> list --ended 0 --json'];
  static override flags = { ended: Flags.integer({ default: 10, min: 0, max: 1000, description: 'how many ended jobs to show' }) };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(List);
    const { fold } = await import('../engine/fold.ts');
    const { shown } = await import('../engine/shown.ts');
    const { stateSentence } = await import('../terminal/sentences.ts');
    const { table } = await import('../terminal/figures.ts');
    const { nameCell } = await import('../terminal/plain.ts');
    const { localZone, short } = await import('../terminal/when.ts');
    const { withTarget } = await import('../terminal/with-target.ts');
    return withTarget<unknown>(flags, {
      local: async ({ queue, cloud, clock, settings, label, target }) => {
        const live = await queue.records.live();
        const ended = flags.ended === 0 ? [] : await queue.records.finishedIds(flags.ended);
        const records = await Promise.all([...new Set([...live, ...ended])].map((jobId) => queue.records.read(jobId)));
        const states = records.flatMap((record) => (record === null ? [] : [fold(record)]));
        states.sort((a, b) => Number(a.finished !== null) - Number(b.finished !== null) || a.deadlineMs - b.deadlineMs);
        const nowMs = clock.nowMs();
        const seen = Map.groupBy(await cloud.attempts({}).catch(() => []), ({ jobId }) => jobId);
        const seenOf = (jobId: string) => seen.get(jobId) ?? [];
        const jobs = states.map((s) => ({
          jobId: s.spec.id,
          name: s.spec.name,
          phase: shown(s, seenOf(s.spec.id), settings, nowMs).phase,
          deadlineMs: s.deadlineMs,
          sentence: stateSentence(s, seenOf(s.spec.id), { settings, nowMs, zone: localZone() }),
        }));
        this.log(label);
        this.log(
          jobs.length === 0
            ? 'No jobs. Submit one: nerve submit --deadline +6h --duration 2h -- python train.py'
            : table([
                ['JOB', 'NAME', 'DEADLINE', 'STATE'],
                ...jobs.map((j) => [j.jobId, nameCell(j.name), short(j.deadlineMs, nowMs, localZone()), j.sentence]),
              ]),
        );
        return { target, jobs };
      },
      cluster: async ({ cluster, label, target }) => {
        const { ALL_JOBS } = await import('../terminal/find-pods.ts');
        const { hasEnded, jobsOf } = await import('../terminal/pod-job.ts');
        const { podTable } = await import('../terminal/pod-words.ts');
        const all = jobsOf(await cluster.pods(ALL_JOBS));
        const ended = all.filter((job) => hasEnded(job.phase)).slice(0, flags.ended);
        const jobs = [...all.filter((job) => !hasEnded(job.phase)), ...ended];
        this.log(`${label}\n${podTable(jobs, Date.now())}`);
        return { target, context: cluster.context, namespace: cluster.namespace, jobs };
      },
    });
  }
}
