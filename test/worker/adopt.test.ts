import { describe, expect, it } from 'vitest';
import { createAdoption } from '../../src/worker/adopt.ts';
import { POD } from '../../src/engine/pod/names.ts';
import { report } from '../../src/engine/report.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import type { Arrival, Records } from '../../src/ports.ts';
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

interface Between {
  readonly wipeRedis: () => void;
  readonly arrive: (arrivals: readonly Arrival[]) => void;
}

/** A pass over these pods by a worker that has a record of the job; then, if something happens, another one over what the watch told of. */
async function pass(
  first: readonly Arrival[],
  { leads = true, happens, before = [] }: { leads?: boolean; happens?: (between: Between) => void; before?: readonly JobEvent[] } = {},
) {
  const clock = { ...wallClock, nowMs: () => NOW };
  let arrivals = first;
  let kept = memoryRecords();
  const records: Records = {
    read: (...ask) => kept.read(...ask),
    append: (...ask) => kept.append(...ask),
    live: () => kept.live(),
    close: (...ask) => kept.close(...ask),
  };
  const waitedMs: number[] = [];
  await records.append(job.id, 0, [{ type: 'submitted', atMs: NOW, spec: job, latestStartMs: NOW + HOUR, simulated: [] }, ...before]);
  const made = await records.read(job.id);
  if (before.length > 0 && made !== null) await records.close(job.id, report(made));
  const refusals: string[] = [];
  const noted: string[] = [];
  const opened: string[] = [];
  const stop = new AbortController();
  const adoption = createAdoption(
    {
      records,
      alarms: memoryAlarms(clock),
      leadership: leads ? memoryLeadership(memoryLock(), clock) : { lead: async () => null, resign: async () => undefined },
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
        open: async (jobId) => void opened.push(jobId),
        annotate: async (_, annotations) => void noted.push(...Object.keys(annotations)),
        // Asked for when a pass is over.
        next: async (withinRealMs) => {
          waitedMs.push(withinRealMs);
          if (happens === undefined || waitedMs.length > 1) stop.abort();
          else happens({ wipeRedis: () => (kept = memoryRecords()), arrive: (now) => (arrivals = now) });
          return new Set(arrivals.map(({ jobId }) => jobId));
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
  return { refusals, noted, opened, waitedMs, types: (await records.read(job.id))?.events.map(({ type }) => type) };
}

describe('an ask on a pod', () => {
  it('of the namespace of its record is taken once, and said to be', async () => {
    expect(await pass([asking('team')])).toMatchObject({ refusals: [], noted: [POD.requestSeen], types: ['submitted', 'cancel-requested'] });
  });

  it('of another namespace that bears the label of the job is ignored, and counted', async () => {
    expect(await pass([asking('other')])).toMatchObject({ refusals: ['foreign-request'], noted: [], types: ['submitted'] });
  });

  it('whose record Redis has lost since the last whole pass is not said to be taken', async () => {
    const silent: Arrival = { ...asking('team'), pod: pod({ metadata: { namespace: 'team', labels: { 'nerve.io/job-id': job.id } } }) };
    const { noted } = await pass([silent], {
      happens: ({ wipeRedis, arrive }) => {
        wipeRedis();
        arrive([asking('team')]);
      },
    });
    expect(noted).toEqual([]);
  });
});

describe('a gated pod whose job has ended', () => {
  const ended = (reason: 'user-cancelled' | 'retries-used-up' | 'deleted-by-someone-else'): JobEvent => ({
    type: 'finished',
    atMs: NOW,
    result: 'cancelled',
    late: false,
    reason,
    usefulWorkMs: 0,
    counterfactual: null,
    finalCheckpoint: null,
  });
  const held = { schedulingGates: [{ name: 'nerve.io/hold' }] };
  // A Job keeps its failed pods, so that not all of the job's are gated.
  const next: Arrival = {
    ...asking('team'),
    gated: false,
    pod: pod({ metadata: { namespace: 'team', labels: { 'nerve.io/job-id': job.id } }, spec: held }),
  };

  it.each(['retries-used-up', 'deleted-by-someone-else'] as const)('because of "%s" is let start: its Job goes on', async (reason) => {
    expect(await pass([next], { before: [ended(reason)] })).toMatchObject({ opened: [job.id], noted: [] });
  });

  it('because its user cancelled it stays, and says so', async () => {
    const { opened, noted } = await pass([next], { before: [ended('user-cancelled')] });
    expect(opened).toEqual([]);
    expect(noted).toContain(POD.state);
  });

  it('is not touched when it is not gated any more', async () => {
    const runs = pod({ metadata: { namespace: 'team', labels: { 'nerve.io/job-id': job.id } } });
    expect(await pass([{ ...next, pod: runs }], { before: [ended('retries-used-up')] })).toMatchObject({ opened: [], noted: [] });
  });
});

describe('between two passes', () => {
  it('a worker waits until the next whole one is due', async () => {
    const [waitedMs = 0] = (await pass([])).waitedMs;
    expect(waitedMs).toBeGreaterThan(0);
    expect(waitedMs).toBeLessThanOrEqual(5000);
  });

  it('one that does not lead waits for a whole period', async () => {
    expect((await pass([], { leads: false })).waitedMs).toEqual([5000]);
  });
});
