// Replaying jobs: totals are sums, nobody beats hindsight, and a trace with holes is read in a stated way or refused.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type JobReport, report as reportOf } from '../../src/engine/report.ts';
import { chanceOf } from '../../src/simulate/chance.ts';
import { coarsened, endOf, type MarketTrace } from '../../src/simulate/market-trace.ts';
import { POLICIES } from '../../src/simulate/policies.ts';
import { readGrid, readMarket } from '../../src/simulate/recorded.ts';
import { outside, simulate, type SimulatedJob, type SimulatedReport, type SimulatedTotals } from '../../src/simulate/run.ts';
import { syntheticTrace } from '../../src/simulate/synthetic.ts';
import { readJobsFile } from '../../src/terminal/jobs-file.ts';
import { replayable, sampleJobs } from '../../src/terminal/simulate-input.ts';
import { simulatedLines } from '../../src/terminal/simulated.ts';
import { record } from '../support/build.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 5);
const OVERHEAD = HOUR / 12;

describe('a simulation', () => {
  const trace = syntheticTrace('7', START, 4);
  const jobs = sampleJobs(trace, '7', 25).map((job, i) => ({ ...job, carbonPriceUsdPerTonne: i % 5 === 0 ? 190 : 0 }));
  const results = simulate({ trace, jobs, policies: POLICIES, startOverheadMs: OVERHEAD });

  it('sums up to the reports of its jobs, each figure', () => {
    for (const { totals, jobs: reports } of results) {
      const sum = (of: (r: SimulatedReport) => number): number => reports.reduce((total, r) => total + of(r), 0);
      const summed: SimulatedTotals = {
        jobs: reports.length,
        late: reports.filter((r) => r.finishedAtMs > r.deadlineMs + 1).length,
        latestMs: Math.max(0, ...reports.map((r) => r.finishedAtMs - r.deadlineMs)),
        costUsd: sum((r) => r.costUsd),
        carbonGrams: sum((r) => r.carbonGrams),
        starts: sum((r) => r.starts),
        interruptions: sum((r) => r.interruptions),
        spotHours: sum((r) => r.spotHours),
        onDemandHours: sum((r) => r.onDemandHours),
      };
      expect(totals).toEqual(summed);
      expect(reports.map((r) => r.name)).toEqual(jobs.map((job) => job.name));
    }
  });

  it('is never late where on demand is there, and never beats hindsight', () => {
    const best = results.find((r) => r.policy === 'hindsight');
    for (const { policy, totals, jobs: reports } of results) {
      expect(totals.late).toBe(0);
      reports.forEach((report, i) => {
        const objective = (r: SimulatedReport): number => r.costUsd + (r.carbonGrams * (jobs[i]?.carbonPriceUsdPerTonne ?? 0)) / 1e6;
        const bound = best?.jobs[i];
        if (policy !== 'hindsight' && bound !== undefined) expect(objective(report)).toBeGreaterThanOrEqual(objective(bound) - 1e-9);
      });
    }
  });

  it('gives the same twice, and another market for another seed', () => {
    expect(simulate({ trace, jobs, policies: ['nerve'], startOverheadMs: OVERHEAD })[0]).toEqual(results[0]);
    expect(syntheticTrace('8', START, 4).available).not.toEqual(trace.available);
  });

  it('charges what was used: hours times price', () => {
    const flat: MarketTrace = {
      ...trace,
      available: trace.available.map((row) => row.map(() => 1 as const)),
      usdPerHour: trace.usdPerHour.map((row) => row.map(() => 0.2)),
    };
    const job: SimulatedJob = { name: 'one', submitMs: START, deadlineMs: START + 8 * HOUR, workMs: 2 * HOUR, carbonPriceUsdPerTonne: 0 };
    const [result] = simulate({ trace: flat, jobs: [job], policies: ['greedy'], startOverheadMs: OVERHEAD });
    // Two hours and five minutes, in whole ticks of a quarter of an hour.
    expect(result?.totals.costUsd).toBeCloseTo(2.25 * 0.2, 9);
    expect(result?.totals.spotHours).toBe(2.25);
  });

  it('says which jobs a trace does not cover', () => {
    const inside: SimulatedJob = { name: 'in', submitMs: START, deadlineMs: endOf(trace), workMs: HOUR, carbonPriceUsdPerTonne: 0 };
    const late = { ...inside, name: 'late', deadlineMs: endOf(trace) + 1 };
    const early = { ...inside, name: 'early', submitMs: START - 1 };
    expect(outside(trace, [inside, late, early]).map((job) => job.name)).toEqual(['late', 'early']);
  });

  it('is shown with a bar for each policy, the dearest the longest', () => {
    const lines = simulatedLines(trace, results);
    const bars = results.map(
      ({ policy }) =>
        lines
          .join('\n')
          .split('\n')
          .find((line) => line.startsWith(`${policy} `)) ?? '',
    );
    const length = (line: string): number => line.split('█').length - 1;
    expect(length(bars[1] ?? '')).toBe(32);
    for (const line of bars) expect(length(line)).toBeLessThanOrEqual(32);
  });
});

describe('hindsight', () => {
  it('costs what the cheapest of all plans costs', () => {
    const chance = chanceOf('small worlds');
    for (let round = 0; round < 40; round++) {
      const ticks = 6;
      const available = Array.from({ length: ticks }, () => [chance() < 0.6 ? 1 : 0, chance() < 0.6 ? 1 : 0] as (0 | 1)[]);
      const usdPerHour = available.map(() => [1 + Math.floor(chance() * 3), 1 + Math.floor(chance() * 3)]);
      const trace: MarketTrace = {
        source: 'small',
        startMs: 0,
        tickMs: HOUR,
        zones: ['a', 'b'],
        instanceType: 'x',
        onDemandUsdPerHour: 4,
        facilityPowerKw: 0,
        available,
        usdPerHour,
        gramsPerKwh: [],
        gramsBefore: [],
        oddities: [],
      };
      const overheadHours = [0, 0.25, 0.5][round % 3] ?? 0;
      const workHours = 1 + (round % 4) * 0.75;
      const job: SimulatedJob = { name: 'x', submitMs: 0, deadlineMs: ticks * HOUR, workMs: workHours * HOUR, carbonPriceUsdPerTonne: 0 };
      const [best] = simulate({ trace, jobs: [job], policies: ['hindsight'], startOverheadMs: overheadHours * HOUR });
      expect(best?.totals.late).toBe(0);
      expect(best?.totals.costUsd).toBeCloseTo(cheapest(trace, workHours, overheadHours), 9);
    }
  });
});

describe('a job that nobody could have finished in time', () => {
  const trace = syntheticTrace('7', START, 2);
  const job: SimulatedJob = { name: 'x', submitMs: START, deadlineMs: START + HOUR, workMs: 2 * HOUR, carbonPriceUsdPerTonne: 0 };
  const results = simulate({ trace, jobs: [job], policies: POLICIES, startOverheadMs: OVERHEAD });

  it('is started at once in hindsight too: nobody is less late', () => {
    const lateMs = Object.fromEntries(results.map(({ policy, totals }) => [policy, totals.latestMs]));
    expect(lateMs['hindsight']).toBeCloseTo(HOUR + OVERHEAD, 3);
    for (const { totals } of results) expect(totals.latestMs).toBeGreaterThanOrEqual((lateMs['hindsight'] ?? 0) - 1);
  });

  it('is said to be one', () => {
    expect(simulatedLines(trace, results).at(-1)).toContain('1 job could not have been done in time by anybody: hindsight starts it at once.');
  });
});

describe('jobs of the past', () => {
  const report = (jobId: string, over: Partial<JobReport> = {}): JobReport => ({
    ...reportOf(record()),
    jobId,
    result: 'succeeded',
    usefulWorkMs: HOUR,
    submittedAtMs: START,
    deadlineMs: START + 3 * HOUR,
    ...over,
  });

  it('are replayed where they computed something, and those left out are counted by why', () => {
    const { jobs, leftOut } = replayable([
      report('j-1'),
      report('j-2', { result: 'failed' }),
      report('j-3', { result: 'cancelled' }),
      report('j-4', { result: 'cancelled' }),
      report('j-5', { usefulWorkMs: 0 }),
      null,
    ]);
    expect(jobs.map(({ name }) => name)).toEqual(['j-1 test']);
    expect(leftOut).toBe(
      '5 of the 6 jobs that ended last are left out: 1 failed, 2 were cancelled, 1 computed nothing that is known, 1 has no report any more.',
    );
    expect(replayable([report('j-1')]).leftOut).toBeNull();
  });
});

/** Of all plans: 0 and 1 are zones, 2 on demand, 3 nothing. */
function cheapest({ available, usdPerHour, onDemandUsdPerHour }: MarketTrace, workHours: number, overheadHours: number): number {
  let best = Infinity;
  const go = (k: number, last: number, done: number, pending: number, usd: number): void => {
    if (done >= workHours - 1e-9) {
      best = Math.min(best, usd);
      return;
    }
    if (k === available.length || usd >= best) return;
    for (let place = 0; place < 4; place++) {
      if (place === 3) go(k + 1, 3, done, 0, usd);
      else if (place === 2 || available[k]?.[place] === 1) {
        const overhead = place === last ? pending : overheadHours;
        const price = place === 2 ? onDemandUsdPerHour : (usdPerHour[k]?.[place] ?? 0);
        go(k + 1, place, done + Math.max(0, 1 - overhead), Math.max(0, overhead - 1), usd + price);
      }
    }
  };
  go(0, 3, 0, 0, 0);
  return best;
}

describe('a recorded market', () => {
  const pack = (zones: object, over: object = {}): string =>
    JSON.stringify({ zones, gap_seconds: 600, on_demand_price: 3, start: '2026-01-05T00:00:00Z', instance: 'p3.2xlarge', ...over });

  it('is read as it is', () => {
    const trace = readMarket(
      pack({
        a: {
          avail: '0110',
          price_rle: [
            [1, 2],
            [1.5, 2],
          ],
        },
        b: { avail: '1111' },
      }),
      'x.json',
      null,
    ); // prettier-ignore
    expect(trace.available).toEqual([
      [0, 1],
      [1, 1],
      [1, 1],
      [0, 1],
    ]); // prettier-ignore
    expect(trace.usdPerHour.map((row) => row[0])).toEqual([1, 1, 1.5, 1.5]);
    expect(trace.oddities).toEqual([]);
  });

  it('counts zones that vanish, strange marks, and prices that are none, and says how they were read', () => {
    const trace = readMarket(
      pack({
        a: {
          avail: '01x1',
          price_rle: [
            [1, 1],
            [-2, 1],
            [null, 1],
          ],
        },
        b: { avail: '11' },
      }),
      'x.json',
      null,
    ); // prettier-ignore
    expect(trace.available.map((row) => row[1])).toEqual([1, 1, 0, 0]);
    expect(trace.available[2]?.[0]).toBe(0);
    expect(trace.usdPerHour.map((row) => row[0])).toEqual([1, 1, 1, 1]);
    expect(trace.oddities.join(' ')).toMatch(/2 prices that are not above 0.*1 ticks without a price|2 ticks in which a zone was not recorded.*/);
    expect(trace.oddities).toHaveLength(4);
  });

  it.each([
    ['[]', 'one JSON object'],
    ['{"zones"', 'not JSON'],
    [pack({}), 'needs "zones"'],
    [pack({ a: { avail: '01' } }, { gap_seconds: -5 }), 'needs "zones"'],
    [pack({ a: { avail: '01' } }, { start: 'soon' }), '"start" is no instant'],
    [pack({ a: { avail: '' } }), 'zone a'],
    [pack({ a: { avail: '01', price_rle: [[1, 0]] } }), 'zone a'],
  ])('is refused with the reason: %s', (text, reason) => {
    expect(() => readMarket(text, 'x.json', null)).toThrow(reason);
  });

  it('has a grid laid beside it, gaps bridged and counted, or is refused where that does not reach', () => {
    const values = Array.from({ length: 8 * 24 * 2 }, (_, i): number | null => (i === 5 ? null : 40 + (i % 48)));
    const grid = readGrid(JSON.stringify({ zone: 'FR', blocks: [{ start: 'x', stepSeconds: 1800, gCO2_per_kWh: values }] }), 'g.json');
    const trace = readMarket(pack({ a: { avail: '1'.repeat(100) } }), 'x.json', grid);
    expect(trace.gramsPerKwh).toHaveLength(100);
    expect(trace.gramsBefore).toHaveLength(7 * 24 * 6);
    expect(trace.oddities.join(' ')).toContain('1 readings of the grid');
    expect(() => readMarket(pack({ a: { avail: '1'.repeat(300) } }), 'x.json', grid)).toThrow('does not cover');
    expect(() => readGrid('{"blocks": []}', 'g.json')).toThrow('it needs "blocks"');
  });

  it('in longer ticks has spot only where it was there all the time', () => {
    const trace = coarsened(readMarket(pack({ a: { avail: '111011' } }), 'x.json', null), 30 * 60_000);
    expect(trace.available).toEqual([[1], [0]]);
    expect(trace.tickMs).toBe(30 * 60_000);
  });
});

describe('a file of jobs', () => {
  const read = (text: string): readonly SimulatedJob[] => {
    const folder = mkdtempSync(join(tmpdir(), 'nerve-jobs-'));
    try {
      writeFileSync(join(folder, 'jobs.yaml'), text);
      return readJobsFile(join(folder, 'jobs.yaml'), START);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it('is a list of jobs, one or many of a kind', () => {
    const jobs = read(
      '- {name: nightly, duration: 2h, submit: +1h, deadline: +8h, count: 3, every: 1d, optimize: balanced}\n- {duration: 90m, deadline: +4h}\n',
    );
    expect(jobs.map((job) => job.name)).toEqual(['nightly #1', 'nightly #2', 'nightly #3', 'job 2']);
    expect(jobs[1]).toMatchObject({ submitMs: START + 25 * HOUR, deadlineMs: START + 33 * HOUR, workMs: 2 * HOUR, carbonPriceUsdPerTonne: 190 });
  });

  it.each([
    ['- {duration: 2h}', 'deadline'],
    ['- {duration: soon, deadline: +4h}', 'not a duration'],
    ['- {duration: 2h, deadline: 2026-01-05 18:00}', 'is no time'],
    ['- {duration: 2h, deadline: "2025-01-05T00:00:00Z"}', 'before it is submitted'],
    ['- {duration: 2h, deadline: +4h, color: red}', 'color'],
    ['[]', 'jobs.yaml'],
    ['- {', 'Cannot read the jobs'],
  ])('is refused with the reason: %s', (text, reason) => {
    expect(() => read(text)).toThrow(reason);
  });
});
