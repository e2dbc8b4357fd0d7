import { describe, expect, it } from 'vitest';
import type { Pod } from '../../src/engine/pod/types.ts';
import { mayMove, moveLines, moveReport, viewOfPods } from '../../src/terminal/drill-move.ts';

const AT = { target: 'cluster', jobId: 'j-1', fromZone: 'euw3-az1' } as const;
const sealed = (tookMs: number) => ({ step: 40, bytes: 3e9, sealedAtMs: 1_000_000, seenAtMs: tookMs });
const next = (zone: string, step: number) => ({ zone, resumed: { step, atMs: 1_009_000 }, over: false });
const report = (tookMs: number, to: ReturnType<typeof next> | null) => moveReport(AT, { askedAtMs: 0, sealed: sealed(tookMs), next: to }, 300_000);

const pod = (uid: string, attempt: number, zone: string, annotations: Readonly<Record<string, string>> = {}): Pod => ({
  metadata: {
    name: uid,
    uid,
    annotations: {
      'nerve.io/launched-as': JSON.stringify({
        attempt,
        zone,
        instanceType: 'g6.xlarge',
        capacityType: 'spot',
        priceUsdPerHour: 1,
        at: '2026-11-25T10:00:00Z',
      }),
      ...annotations,
    },
  },
  spec: { containers: [] },
});
const FINAL = JSON.stringify({ id: '7', step: 40, bytes: 100, durationMs: 5, final: true, sealedAt: '2026-11-25T10:00:05Z' });
const RESUMED = JSON.stringify({ step: 40, epoch: 2, checkpointId: '7', at: '2026-11-25T10:00:14Z' });

describe('a drill with a move', () => {
  it('is for every job whose process runs, also where its hook never answers', () => {
    expect(mayMove({ phase: 'starting' }, { phase: 'running' })).toBe(true);
    expect(mayMove({ phase: 'running' }, undefined)).toBe(true);
    expect(mayMove({ phase: 'starting' }, { phase: 'pending' })).toBe(false);
    expect(mayMove({ phase: 'evacuating' }, { phase: 'running' })).toBe(false);
  });

  it('passes when the next zone resumes at the very step that was sealed', () => {
    expect(report(20_000, next('euw3-az2', 40))).toMatchObject({
      passed: true,
      checkpointMs: 20_000,
      resumeMs: 9000,
      toZone: 'euw3-az2',
      error: null,
    });
  });

  it.each([
    ['slower than the notice', report(120_000, next('euw3-az2', 40))],
    ['sealed at step 40 and resumed at step 30', report(20_000, next('euw3-az2', 30))],
    ['in the same zone', report(20_000, next('euw3-az1', 40))],
    ['no replacement within 5 min', report(20_000, null)],
    ['has not resumed', moveReport(AT, { askedAtMs: 0, sealed: sealed(1), next: { zone: 'euw3-az2', resumed: null, over: false } }, 300_000)],
    ['it ended before', moveReport(AT, { askedAtMs: 0, sealed: sealed(1), next: { zone: 'euw3-az2', resumed: null, over: true } }, 300_000)],
    [
      'begins anew in euw3-az2',
      moveReport(AT, { askedAtMs: 0, sealed: null, next: { zone: 'euw3-az2', resumed: null, over: false, anew: true } }, 300_000),
    ],
    ['no final checkpoint', moveReport(AT, { askedAtMs: 0, sealed: null, next: null }, 300_000)],
  ])('fails: %s', (words, failed) => {
    expect(failed).toMatchObject({ passed: false, error: expect.stringContaining(words) });
    expect(moveLines(failed)[0]).toContain(`FAIL: ${failed.error}`);
  });

  it('says PASS or FAIL, checkpoint, zones and resume time', () => {
    expect(moveLines(report(20_000, next('euw3-az2', 40)))).toEqual([
      'j-1  PASS: moved from euw3-az1 to euw3-az2, nothing is computed twice',
      'checkpoint  in 20.0 s (the notice is 120 s): step 40, 3.0 GB',
      'zone        euw3-az1 -> euw3-az2',
      'resume      9.0 s after the seal, at step 40',
    ]);
  });

  it('counts resume time of a fast clock in real seconds', () => {
    expect(moveReport(AT, { askedAtMs: 0, sealed: sealed(1), next: next('euw3-az2', 40) }, 1, 60).resumeMs).toBe(150);
  });
});

describe('what the pods show of it', () => {
  const from = pod('one', 1, 'euw3-az1');

  it('nothing yet', () => {
    expect(viewOfPods([from], from)).toEqual({ stopping: false, sealed: null, next: null });
    const periodic = { 'nerve.io/last-checkpoint': FINAL.replace('true', 'false') };
    expect(viewOfPods([pod('one', 1, 'euw3-az1', periodic)], from).sealed).toBe(null);
  });

  it('that the worker wants it', () => {
    expect(viewOfPods([pod('one', 1, 'euw3-az1', { 'nerve.io/stop-request': 'move' })], from).stopping).toBe(true);
  });

  it('the final seal, then the one that resumed', () => {
    const pods = [pod('one', 1, 'euw3-az1', { 'nerve.io/last-checkpoint': FINAL }), pod('two', 2, 'euw3-az2', { 'nerve.io/resumed': RESUMED })];
    expect(viewOfPods(pods, from)).toEqual({
      stopping: true,
      sealed: { step: 40, bytes: 100, sealedAtMs: Date.parse('2026-11-25T10:00:05Z') },
      next: { zone: 'euw3-az2', resumed: { step: 40, atMs: Date.parse('2026-11-25T10:00:14Z') }, over: false },
    });
    expect(viewOfPods(pods, pods[1] ?? from).next).toBe(null);
    const ended = { ...pod('two', 2, 'euw3-az2'), status: { phase: 'Succeeded' } };
    expect(viewOfPods([from, ended], from).next).toEqual({ zone: 'euw3-az2', resumed: null, over: true });
  });
});
