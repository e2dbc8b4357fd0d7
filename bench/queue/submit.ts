// Bulk submit: how many jobs a second are accepted (record and alarm acknowledged), beside what the same Redis takes of plain XADD and
// ZADD with the same words in the same minute. The two rise and fall together when somebody else needs the machine; their ratio does not.

import { encodeEvents } from '../../src/queue/codec.ts';
import type { NewJob } from '../../src/queue/bulk.ts';
import { type Figure, median, shown } from './figures.ts';
import type { Server } from './server.ts';

const BATCH = 500;
const PLAIN_JOBS = 20_000;

interface Round {
  readonly perSecond: number;
  readonly ofPlain: number;
  readonly redisMicroseconds: number;
  readonly nodeMicroseconds: number;
}

/** What the last round submitted is left in Redis. */
export async function measureSubmit(server: Server, jobs: readonly NewJob[], rounds: number): Promise<readonly Figure[]> {
  const measured: Round[] = [];
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    await server.empty();
    const plainPerSecond = await plain(server, jobs.slice(0, PLAIN_JOBS));
    await server.empty();
    const bytesBefore = await server.usedBytes();
    const before = await server.cpuSeconds();
    const sinceMs = performance.now();
    const accepted = await submit(server, jobs);
    const seconds = (performance.now() - sinceMs) / 1000;
    const after = await server.cpuSeconds();
    bytes = (await server.usedBytes()) - bytesBefore;
    if (accepted !== jobs.length) throw new Error(`${accepted} of ${jobs.length} jobs were accepted.`);
    measured.push({
      perSecond: accepted / seconds,
      ofPlain: accepted / seconds / plainPerSecond,
      redisMicroseconds: ((after.redis - before.redis) / accepted) * 1e6,
      nodeMicroseconds: ((after.node - before.node) / accepted) * 1e6,
    });
  }
  const all = (of: (round: Round) => number): string => measured.map((round) => shown(of(round))).join(', ');
  const perJob = `a job costs Redis ${shown(median(measured.map((r) => r.redisMicroseconds)))} us and Node ${shown(median(measured.map((r) => r.nodeMicroseconds)))} us of a core`;
  return [
    {
      name: 'submittedPerSecond',
      what: 'bulk submit',
      value: median(measured.map((r) => r.perSecond)),
      unit: 'jobs/s',
      note: `each run: ${all((r) => r.perSecond)}; ${perJob}`,
    },
    {
      name: 'ofPlainPipeline',
      what: 'the same, as part of a plain XADD + ZADD pipeline',
      value: median(measured.map((r) => r.ofPlain)),
      unit: '',
      note: `each run: ${all((r) => r.ofPlain)}`,
    },
    {
      name: 'bytesPerSubmittedJob',
      what: 'memory of a job that was submitted',
      value: bytes / jobs.length,
      unit: 'B',
      note: 'record `[submitted]` and alarm',
    },
  ];
}

async function submit(server: Server, jobs: readonly NewJob[]): Promise<number> {
  let accepted = 0;
  for await (const batch of server.queue.submitMany(jobs)) accepted += batch.accepted.length;
  return accepted;
}

async function plain({ admin }: Server, jobs: readonly NewJob[]): Promise<number> {
  const sinceMs = performance.now();
  for (let i = 0; i < jobs.length; i += BATCH) {
    const pipeline = admin.pipeline();
    for (const { jobId, events, alarmAtMs } of jobs.slice(i, i + BATCH)) {
      pipeline.xadd(`plain:${jobId}`, '1-0', 'e', encodeEvents(events));
      pipeline.zadd('plain', alarmAtMs, jobId);
    }
    await pipeline.exec();
  }
  return (jobs.length / (performance.now() - sinceMs)) * 1000;
}
