import { describe, expect, it } from 'vitest';
import { releaseAll } from '../../src/watchdog/uninstall.ts';
import { watch } from '../../src/watchdog/watch.ts';
import { quiet } from '../support/clock.ts';
import { type Behaviour, gated, memoryCluster } from '../support/webhook/memory-gates.ts';

const beating: Behaviour['workers'] = (nowMs) => [{ uid: 'w', beat: String(Math.floor(nowMs / 20_000)), draining: false }];
const stopped: Behaviour['workers'] = () => [{ uid: 'w', beat: '7', draining: false }];
const asks = (deadline: string, duration: string) => ({
  'nerve.io/webhook': '0.1.0',
  'nerve.io/deadline': deadline,
  'nerve.io/expected-duration': duration,
});

const run = (cluster: ReturnType<typeof memoryCluster>) => watch({ ...cluster, log: quiet }, new AbortController().signal);

describe('the watchdog', () => {
  it('leaves gates alone while a beat moves, and does not look longer than it must', async () => {
    const cluster = memoryCluster([gated('a')], { workers: beating });
    expect(await run(cluster)).toEqual({ found: 'alive', opened: 0, left: 0 });
    expect(cluster.held.size).toBe(1);
    expect(cluster.nowMs()).toBeLessThanOrEqual(21_000);
  });

  it('opens every gate after 90 quiet seconds, the latest start times first', async () => {
    const pods = [
      gated('tomorrow', asks('2026-11-26T12:00:00Z', '1h')),
      gated('soon', asks('2026-11-25T14:00:00Z', '1h')),
      gated('long', asks('2026-11-25T18:00:00Z', '6h')),
      gated('no-deadline'),
    ];
    const cluster = memoryCluster(pods, { workers: stopped });
    expect(await run(cluster)).toEqual({ found: 'dead', opened: 4, left: 0 });
    expect(cluster.opened).toEqual(['no-deadline', 'long', 'soon', 'tomorrow']);
    expect(cluster.nowMs()).toBeGreaterThanOrEqual(90_000);
    expect(cluster.nowMs()).toBeLessThan(100_000);
  });

  it('also where there is no worker at all', async () => {
    expect(await run(memoryCluster([gated('a')], { workers: () => [] }))).toMatchObject({ found: 'dead', opened: 1 });
  });

  it('says nothing and opens nothing while the cluster does not answer in between', async () => {
    const flaky: Behaviour['workers'] = (nowMs) => {
      if (nowMs % 60_000 === 30_000) throw new Error('no answer');
      return stopped(nowMs);
    };
    const cluster = memoryCluster([gated('a')], { workers: flaky });
    expect(await run(cluster)).toEqual({ found: 'no-answer', opened: 0, left: 0 });
    expect(cluster.nowMs()).toBeLessThanOrEqual(155_000);
  });

  it('bears conflicts, refusals, lists that fail and pods that come meanwhile', async () => {
    const cluster = memoryCluster(
      Array.from({ length: 100 }, (_, i) => gated(`p${i}`)),
      {
        workers: stopped,
        listing: (list) => {
          if (list === 2) throw new Error('no answer');
        },
        opening: (_pod, call) => {
          if (call % 7 === 0) throw new Error('503');
          return call % 5 === 0 ? 'changed' : 'open';
        },
        arriving: (list) => (list === 1 ? [gated('late')] : []),
      },
    );
    expect(await run(cluster)).toEqual({ found: 'dead', opened: 101, left: 0 });
    expect(cluster.held.size).toBe(0);
    expect(cluster.mostAtOnce).toBe(16);
  });

  it('gives up a gate that never opens when its time is up, and says so', async () => {
    const cluster = memoryCluster([gated('stuck'), gated('fine')], {
      workers: stopped,
      opening: ({ name }) => (name === 'stuck' ? 'changed' : 'open'),
    });
    expect(await run(cluster)).toEqual({ found: 'dead', opened: 1, left: 1 });
    expect(cluster.nowMs()).toBeLessThan(90_000 + 75_000);
  });

  it('opens a gate that nobody else would, also while Nerve lives, but not that of a pod that was just made', async () => {
    const orphan = gated('orphan', {}, -120_000);
    const unlabelled = { ...gated('unlabelled', { 'nerve.io/webhook': '0.1.0' }, -120_000), jobId: null };
    const cluster = memoryCluster([orphan, unlabelled, gated('young', {}, 0), gated('held', undefined, -120_000)], { workers: beating });
    expect(await run(cluster)).toMatchObject({ found: 'alive', opened: 2 });
    expect([...cluster.held.keys()]).toEqual(['young', 'held']);
  });

  it('opens a gate of which a living worker has never said anything, after ten minutes or when its latest start has passed', async () => {
    const past = { 'nerve.io/webhook': '0.1.0', 'nerve.io/deadline': '1970-01-01T00:00:01Z' };
    const state = { 'nerve.io/state': 'held' };
    const cluster = memoryCluster(
      [
        gated('untaken', undefined, -601_000),
        gated('due', past, -120_000),
        gated('fresh and due', past, 0),
        gated('waiting', undefined, -500_000),
        gated('planned', { ...past, ...state }, -9_000_000),
      ],
      { workers: beating },
    );
    expect(await run(cluster)).toMatchObject({ found: 'alive', opened: 2 });
    expect([...cluster.held.keys()]).toEqual(['fresh and due', 'waiting', 'planned']);
  });
});

describe('the uninstall hooks', () => {
  it('mark Nerve as draining and open every gate, also of a pod that is admitted until the mark is seen', async () => {
    const cluster = memoryCluster([gated('a')], { workers: beating, arriving: (list) => (list === 2 ? [gated('slipped')] : []) });
    expect(await releaseAll({ ...cluster, log: quiet }, { drain: true })).toEqual({ opened: 2, left: 0, marked: true });
    expect(cluster.held.size).toBe(0);
  });

  it('end in time whatever happens, and never with an error', async () => {
    const broken = memoryCluster([gated('a')], {
      workers: () => {
        throw new Error('no answer');
      },
      listing: () => {
        throw new Error('no answer');
      },
    });
    expect(await releaseAll({ ...broken, log: quiet }, { drain: true })).toMatchObject({ opened: 0, marked: false });
    expect(broken.nowMs()).toBeLessThan(120_000);
  });
});
