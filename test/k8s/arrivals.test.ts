import { describe, expect, it } from 'vitest';
import type { Api, Ask } from '../../src/adapters/k8s/api.ts';
import { kubernetesArrivals } from '../../src/adapters/k8s/arrivals.ts';
import { Ledger } from '../../src/adapters/k8s/ledger.ts';
import { pod } from '../engine/pod/pods.ts';

const MINUTE = 60_000;

function world() {
  let nowMs = 0;
  let heardAtMs = 0;
  const asks: Ask[] = [];
  const ledger = new Ledger();
  ledger.podChanged(
    pod({
      spec: {
        containers: [{ name: 'main', env: [{ name: 'NERVE_JOB_ID', value: 'j-abc' }] }],
        schedulingGates: [{ name: 'quota' }, { name: 'nerve.io/hold' }],
      },
    }),
  );
  const api: Api = {
    call: async <T>(ask: Ask) => {
      asks.push(ask);
      return {} as T;
    },
    lines: async () => undefined,
    close: () => undefined,
  };
  const clock = { nowMs: () => nowMs, realNowMs: () => nowMs, sleep: async () => undefined, speed: 1 };
  const follow = {
    ledger,
    synced: async () => undefined,
    heardAtMs: () => heardAtMs,
    wrote: () => undefined,
    watch: async () => undefined,
    run: async () => undefined,
  };
  return {
    arrivals: kubernetesArrivals(api, follow, clock),
    asks,
    at: (atMs: number, heard: number) => {
      nowMs = atMs;
      heardAtMs = heard;
    },
  };
}

describe('the jobs that stand on pods', () => {
  it('are not told by a worker that has not heard of pods for minutes, so that it does not beat as if all were well', async () => {
    const { arrivals, at } = world();
    at(2 * MINUTE, 2 * MINUTE);
    expect(await arrivals.jobs()).toHaveLength(1);
    // Listed anew, and refused each time: nothing is heard.
    at(4 * MINUTE, 0);
    expect(await arrivals.jobs()).toHaveLength(1);
    at(5 * MINUTE + 1, 0);
    await expect(arrivals.jobs()).rejects.toThrow('Nothing was heard of the cluster');
    at(6 * MINUTE, 6 * MINUTE);
    expect(await arrivals.jobs()).toHaveLength(1);
  });

  it('bear a clock that is set back', async () => {
    const { arrivals, at } = world();
    at(60 * MINUTE, 60 * MINUTE);
    await arrivals.jobs();
    at(10 * MINUTE, 60 * MINUTE);
    expect(await arrivals.jobs()).toHaveLength(1);
    at(14 * MINUTE, 0);
    await expect(arrivals.jobs()).rejects.toThrow('Nothing was heard');
  });

  it('are let go without a plan when their job has ended for Nerve: the gate goes, and they are history', async () => {
    const { arrivals, asks } = world();
    await arrivals.open('j-abc', { 'nerve.io/state': 'failed', 'nerve.io/plan': null });
    expect(asks).toMatchObject([
      {
        method: 'PATCH',
        path: '/api/v1/namespaces/team/pods/train',
        body: [
          { op: 'test', path: '/spec/schedulingGates/1/name', value: 'nerve.io/hold' },
          { op: 'remove', path: '/spec/schedulingGates/1' },
          { op: 'add', path: '/metadata/annotations/nerve.io~1state', value: 'failed' },
          { op: 'add', path: '/metadata/annotations/nerve.io~1finished' },
        ],
      },
    ]);
  });
});
