// Records in memory: the same refusals and the same JSON round trip as the Redis stream, without a server. Every method
// takes effect at once and synchronously, so a simulation may wrap it to fail before, after, or never to answer.

import { decodeRecord, encodeEvents } from '../../../src/queue/codec.ts';
import type { JobId } from '../../../src/engine/job.ts';
import type { JobReport } from '../../../src/engine/report.ts';
import type { Records } from '../../../src/ports.ts';

export interface MemoryRecords extends Records {
  /** What `close` kept, newest last. */
  readonly reports: ReadonlyMap<JobId, JobReport>;
}

export function memoryRecords(): MemoryRecords {
  const streams = new Map<JobId, string[]>();
  const live = new Set<JobId>();
  const reports = new Map<JobId, JobReport>();
  return {
    reports,
    async read(jobId) {
      const entries = streams.get(jobId);
      return entries === undefined ? null : decodeRecord(jobId, entries);
    },
    async append(jobId, readVersion, events) {
      if (events.length === 0) return readVersion;
      const entries = streams.get(jobId) ?? [];
      if (entries.length !== readVersion) return 'conflict';
      streams.set(jobId, [...entries, encodeEvents(events)]);
      if (readVersion === 0) live.add(jobId);
      return readVersion + 1;
    },
    async live() {
      return [...live];
    },
    async close(jobId, report) {
      if (!reports.has(jobId)) reports.set(jobId, structuredClone(report));
      live.delete(jobId);
    },
  };
}
