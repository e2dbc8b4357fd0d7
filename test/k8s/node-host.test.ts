// What the agent of a cluster asks for a checkpoint: whatever trains on its node with a hook, whether the worker knows it or not.

import { afterEach, describe, expect, it } from 'vitest';
import type { Api } from '../../src/adapters/k8s/api.ts';
import { kubernetesNodeHost } from '../../src/adapters/k8s/node-host.ts';
import { POD } from '../../src/engine/pod/names.ts';
import type { Pod } from '../../src/engine/pod/types.ts';
import { pod } from '../engine/pod/pods.ts';
import { quiet, wallClock } from '../support/clock.ts';

const stop = new Set<AbortController>();
afterEach(() => {
  for (const each of stop) each.abort();
});

const env = [
  { name: 'NERVE_JOB_ID', value: 'j-abc' },
  { name: 'NERVE_HOOK_TOKEN', value: 't' },
];
const training = (metadata: Pod['metadata'], status: Pod['status'] = { phase: 'Running', podIP: '10.0.0.1' }): Pod =>
  pod({ metadata, spec: { nodeName: 'n1', containers: [{ name: 'main', env }] }, status });

async function hostOf(pods: readonly Pod[]) {
  const asked: string[] = [];
  const api: Api = {
    call: async <T>({ method = 'GET', path }: { readonly method?: string; readonly path: string }) => {
      asked.push(`${method} ${path}`);
      return { metadata: { resourceVersion: '1' }, items: pods } as T;
    },
    lines: (_path, _line, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    close: () => undefined,
  };
  const controller = new AbortController();
  stop.add(controller);
  const host = kubernetesNodeHost(api, 'n1', wallClock, quiet);
  void host.run(controller.signal);
  return { host, asked, hosted: await host.hosted() };
}

describe('the agent’s node', () => {
  it('lists no more than the pods of the tier that are on it', async () => {
    const { asked } = await hostOf([]);
    expect(decodeURIComponent(asked[0] ?? '')).toMatch(
      /\/api\/v1\/pods\?labelSelector=nerve.io\/tier=async&fieldSelector=spec.nodeName=n1&limit=\d+$/,
    );
  });

  it('hosts a pod that came while Nerve was away: it has a hook and no id', async () => {
    const { metadata, ...rest } = training({ uid: 'u1' });
    const { hosted } = await hostOf([{ ...rest, metadata: { ...metadata, labels: { 'nerve.io/tier': 'async' } } }]);
    expect(hosted).toMatchObject([{ name: 'team/train', hook: { host: '10.0.0.1', token: 't' }, ended: false }]);
  });

  it('hosts a pod that goes on after its job has ended for Nerve', async () => {
    const { hosted } = await hostOf([training({ uid: 'u1', annotations: { [POD.finished]: '2026-11-25T10:00:00Z' } })]);
    expect(hosted[0]?.hook).not.toBe(null);
  });

  it('keeps two pods apart that bear the id of one job, and writes on the one that is meant', async () => {
    const theirs = training({ uid: 'u2', namespace: 'other' });
    const { host, asked, hosted } = await hostOf([training({ uid: 'u1' }), theirs]);
    expect(hosted.map(({ name }) => name)).toEqual(['team/train', 'other/train']);
    await host.annotateAttempt('other/train', {});
    expect(asked.at(-1)).toBe('PATCH /api/v1/namespaces/other/pods/train');
  });

  it('asks nothing of a pod that has ended', async () => {
    expect((await hostOf([training({ uid: 'u1' }, { phase: 'Succeeded' })])).hosted).toMatchObject([{ hook: null, ended: true }]);
  });
});
