import { describe, expect, it, test } from 'vitest';
import { drill, unanswered } from '../../src/agent/drill.ts';
import { runAgent } from '../../src/agent/run.ts';
import type { AttemptAnnotations, Clock, Hooks, HostedAttempt, NodeHost } from '../../src/ports.ts';
import { drillLines, drillReport, drillResultOn } from '../../src/terminal/drill-job.ts';

const TARGET = { port: 1, token: 't' };

/** A save takes as long as it says, on a clock that only it moves. */
function world(tookMs: number, measuredMs = tookMs): { readonly clock: Clock; readonly hooks: Hooks; readonly reasons: string[] } {
  let nowMs = 1_000_000;
  const reasons: string[] = [];
  return {
    reasons,
    clock: { nowMs: () => nowMs, realNowMs: () => nowMs, sleep: () => new Promise((done) => setTimeout(done, 1)), speed: 1 },
    hooks: {
      checkpoint: async (_, { reason }) => {
        reasons.push(reason);
        nowMs += tookMs;
        return { id: '0000000007', step: 40, bytes: 3e9, durationMs: measuredMs };
      },
      progress: async () => ({ step: 40, totalSteps: 100, stepsPerSecond: 1, resumed: null, lastCheckpoint: null }),
    },
  };
}

describe('a drill', () => {
  it('takes the time from the ask to the seal, and lets training go on', async () => {
    const { hooks, clock, reasons } = world(20_000);
    expect(await drill(hooks, TARGET, 'n1', clock)).toEqual({
      nonce: 'n1',
      sealed: { id: '0000000007', step: 40, bytes: 3e9, tookMs: 20_000 },
      error: null,
    });
    expect(reasons).toEqual(['drill']);
  });

  it('is not fooled by a save of the last half minute, which is answered at once', async () => {
    const { hooks, clock } = world(3, 150_000);
    expect((await drill(hooks, TARGET, 'n1', clock)).sealed?.tookMs).toBe(150_000);
  });

  it('tells why there was no seal', async () => {
    const { clock } = world(0);
    const hooks: Hooks = { checkpoint: () => Promise.reject(new Error('disk full')), progress: () => Promise.reject(new Error('x')) };
    expect(await drill(hooks, TARGET, 'n1', clock)).toEqual({ nonce: 'n1', sealed: null, error: 'disk full' });
    expect((await drill(hooks, null, 'n1', clock)).error).toMatch(/no checkpoint hook/);
  });

  test.each([
    ['n1', null, 'n1'],
    ['n2', 'n1', 'n2'],
    ['n1', 'n1', null],
    [null, 'n1', null],
    ['', null, null],
  ])('asked %s and answered %s is open: %s', (asked, answered, open) => {
    expect(unanswered(asked, answered)).toBe(open);
  });
});

describe('the agent', () => {
  it('drills only the attempt that was asked, once, cordons nothing, and writes the result there', async () => {
    const { hooks, clock, reasons } = world(5000);
    const stop = new AbortController();
    const written: [string, AttemptAnnotations][] = [];
    const hosted = (name: string, drillAsked: string | null): HostedAttempt => ({
      name,
      jobId: name,
      attempt: 1,
      hook: TARGET,
      stopRequest: null,
      ended: false,
      drill: drillAsked,
      drilled: null,
    });
    let cordons = 0;
    let rounds = 0;
    const host: NodeHost = {
      hosted: async () => {
        if (++rounds > 5) stop.abort();
        return [hosted('a', 'n1'), hosted('b', null)];
      },
      marks: async () => ({ interruption: null, rebalanceAtMs: null, cordonedBy: null }),
      annotateNode: async () => undefined,
      cordon: async () => void (cordons += 1),
      uncordon: async () => undefined,
      annotateAttempt: async (name, annotations) => void (annotations.drillResult === undefined ? null : written.push([name, annotations])),
    };
    const metadata = { interruption: async () => null, rebalance: async () => null };
    const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    await runAgent({ metadata, host, hooks, clock, log }, { pollRealMs: 1, progressRealMs: 1e9, uncordonAfterMs: 1 }, stop.signal);
    expect({ reasons, cordons }).toEqual({ reasons: ['drill'], cordons: 0 });
    expect(written).toEqual([['a', { drillResult: { nonce: 'n1', sealed: expect.objectContaining({ tookMs: 5000 }), error: null } }]]);
  });
});

describe('the report of a drill', () => {
  const sealed = (tookMs: number) => ({ nonce: 'n', sealed: { id: '1', step: 40, bytes: 3e9, tookMs }, error: null });

  test.each([
    [20_000, true],
    [119_999, true],
    [120_000, false],
    [150_000, false],
  ])('with a checkpoint of %i ms passes: %s', (tookMs, passed) => {
    expect(drillReport('cluster', 'j-1', sealed(tookMs), 9000)).toMatchObject({ passed, checkpointMs: tookMs, resumeMs: 9000 });
  });

  it('says PASS or FAIL first, then the figures', () => {
    expect(drillLines(drillReport('local', 'j-1', sealed(20_000), 9000))).toEqual([
      'j-1  PASS: checkpoint in 20.0 s, the notice is 120 s',
      'checkpoint  step 40, 3.0 GB, 150.0 MB/s',
      'resume      9 s',
    ]);
    expect(drillLines(drillReport('local', 'j-1', sealed(150_000), null))[0]).toMatch(/FAIL: checkpoint in 150\.0 s/);
    expect(drillLines(drillReport('local', 'j-1', { nonce: 'n', sealed: null, error: 'disk full' }, null))[0]).toMatch(
      /FAIL: no checkpoint \(disk full\)/,
    );
  });

  test.each([
    ['{"nonce":"n","sealed":null,"error":"x"}', { nonce: 'n', sealed: null, error: 'x' }],
    ['{"sealed":null}', null],
    ['{"nonce":"n","sealed":{"step":"1"}}', null],
    ['null', null],
    ['{', null],
  ])('reads %s from the pod as %o', (text, result) => {
    expect(drillResultOn({ metadata: { annotations: { 'nerve.io/drill-result': text } }, spec: { containers: [] } })).toEqual(result);
  });
});
