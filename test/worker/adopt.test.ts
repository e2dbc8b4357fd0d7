import { describe, expect, it } from 'vitest';
import { createAdoption } from '../../src/worker/adopt.ts';
import { POD } from '../../src/engine/pod/names.ts';
import type { Arrival } from '../../src/ports.ts';
import { pod } from '../engine/pod/pods.ts';
import { HOUR, market, NOW, SETTINGS, spec } from '../support/build.ts';
import { quiet, wallClock } from '../support/clock.ts';
import { memoryAlarms } from '../support/memory/alarms.ts';
import { memoryLeadership, memoryLock } from '../support/memory/leadership.ts';
import { memoryRecords } from '../support/memory/records.ts';

const job = spec({ program: { kind: 'pod', namespace: 'team', owner: 'none' } });
const asking = (namespace: string): Arrival => ({
  jobId: job.id,
  pod: pod({ metadata: { namespace, labels: { 'nerve.io/job-id': job.id }, annotations: { [POD.request]: 'cancel#1' } } }),
  gated: true,
});

/** One pass over these pods, by a worker that has a record of the job. */
async function pass(arrivals: readonly Arrival[]) {
  const clock = { ...wallClock, nowMs: () => NOW };
  const records = memoryRecords();
  await records.append(job.id, 0, [{ type: 'submitted', atMs: NOW, spec: job, latestStartMs: NOW + HOUR, simulated: [] }]);
  const refusals: string[] = [];
  const noted: string[] = [];
  const stop = new AbortController();
  const adoption = createAdoption(
    {
      records,
      alarms: memoryAlarms(clock),
      leadership: memoryLeadership(memoryLock(), clock),
      cluster: {
        attempts: async () => [],
        attemptsOf: async () => [],
        launch: () => Promise.reject(new Error('nothing is launched here')),
        requestStop: async () => undefined,
        remove: async () => undefined,
        forget: async () => undefined,
        watch: async () => undefined,
      },
      market: { view: async () => market(), meter: async () => [] },
      clock,
      log: quiet,
      metrics: { appended: () => undefined, refused: (what) => void refusals.push(what) },
      arrivals: {
        jobs: async () => arrivals,
        whole: async () => null,
        annotate: async (_, annotations) => void noted.push(...Object.keys(annotations)),
        // Asked for when the pass is over.
        next: async () => {
          stop.abort();
          return new Set();
        },
      },
      vault: { keep: async () => undefined, open: async () => null, forget: async () => undefined },
      medianDurationMs: async () => null,
      beat: null,
    },
    {
      settings: SETTINGS,
      periodRealMs: 5000,
      beatRealMs: 20_000,
      redisGraceMs: 600_000,
      jobNamespaces: null,
      defaults: { optimize: 'cost', retries: 3, instanceTypes: [] },
    },
  );
  await adoption.run(stop.signal);
  return { refusals, noted, types: (await records.read(job.id))?.events.map(({ type }) => type) };
}

describe('an ask on a pod', () => {
  it('of the namespace of its record is taken once, and said to be', async () => {
    expect(await pass([asking('team')])).toEqual({ refusals: [], noted: [POD.requestSeen], types: ['submitted', 'cancel-requested'] });
  });

  it('of another namespace that bears the label of the job is ignored, and counted', async () => {
    expect(await pass([asking('other')])).toEqual({ refusals: ['foreign-request'], noted: [], types: ['submitted'] });
  });
});
