// What the webhook does to pods and Jobs of a real API server, scheduler and Job controller.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Pod } from '../../src/engine/pod/types.ts';
import { whyNoCluster } from '../support/k8s/control-plane.ts';
import { type FailSafe, isHeld, simplePod, startFailSafe } from '../support/k8s/fail-safe.ts';
import { FOR_BOTH, otherWebhook } from '../support/k8s/other-webhook.ts';
import { podOfKind, podKinds, type PodKind } from '../support/webhook/reviews.ts';

const skipped = await whyNoCluster();
vi.setConfig({ testTimeout: 60_000, hookTimeout: 300_000 });

describe.skipIf(skipped !== null)(`the webhook on a real control plane${skipped === null ? '' : ` (skipped: ${skipped})`}`, () => {
  let safe: FailSafe;
  beforeAll(async () => {
    safe = await startFailSafe();
  });
  afterAll(() => safe?.stop());

  it('holds nothing before the first beat, and holds after it', async () => {
    expect(isHeld(await safe.create(simplePod()))).toBe(false);
    await safe.beats();
    await safe.untilHeld(true);
  });

  it('has every kind of pod admitted, with the patch taken as it is', async () => {
    const outcomes: Record<string, boolean> = {};
    for (const kind of podKinds.filter((k) => k !== 'mirror pod')) {
      const { metadata, spec, ...rest } = podOfKind(kind);
      // Names and owners must be free to exist; the token's volume is added by the server itself.
      const { name: _, namespace: __, ...meta } = metadata;
      const volumes = (spec.volumes ?? []).filter((volume) => !volume.name.startsWith('kube-api-access'));
      const containers = spec.containers.map((container) => ({ ...container, volumeMounts: [] }));
      const initContainers = spec.initContainers?.map((container) => ({ ...container, volumeMounts: [] }));
      const body = {
        ...rest,
        metadata: { ...meta, generateName: 'kind-' },
        spec: { ...spec, volumes, containers, ...(initContainers ? { initContainers } : {}) },
      };
      outcomes[kind] = isHeld(await safe.create(body, '?dryRun=All'));
    }
    const held = (kind: PodKind): boolean | undefined => outcomes[kind];
    expect(held('bare pod')).toBe(true);
    expect(held('pod of an indexed Job')).toBe(true);
    expect(held('pod with sidecars')).toBe(true);
    expect(held('pod with affinity, gate and environment of its own')).toBe(true);
    expect(held('pod of a Deployment')).toBe(false);
    expect(held('pod with a Kueue queue')).toBe(false);
    expect(held('pod that names its node')).toBe(false);
    expect(Object.keys(outcomes)).toHaveLength(podKinds.length - 1);
  });

  it('tells a client in a dry run that it is there, and gives a pod with generateName a whole identity', async () => {
    const pod = await safe.create({ ...simplePod(), metadata: { ...simplePod().metadata, name: undefined, generateName: 'run-' } }, '?dryRun=All');
    expect(pod.metadata.annotations?.['nerve.io/webhook']).toMatch(/^\d/);
    expect(environment(pod)['NERVE_JOB_ID']).toBe(pod.metadata.labels?.['nerve.io/job-id']);
  });

  it('continues the same job when an evicted pod is created again, and says which attempt still saves', async () => {
    await safe.plane.admin.call('POST', '/apis/batch/v1/namespaces/default/jobs', {
      metadata: { name: 'run' },
      // It saves for longer than the Job controller's back-off lasts.
      spec: { backoffLimit: 4, template: simplePod(undefined, { 'nerve.test/exit-after': '40s' }) },
    });
    const [first] = await vi.waitFor(
      async () => {
        const pods = await safe.listed('job-name=run');
        expect(pods).toHaveLength(1);
        return pods;
      },
      { timeout: 20_000 },
    );
    if (first === undefined) throw new Error('no pod');
    expect(isHeld(first)).toBe(true);
    expect(first.metadata.annotations).toMatchObject({ 'nerve.io/backoff-limit': '4', 'nerve.io/ignores-disruption': 'false' });
    const path = `/api/v1/namespaces/default/pods/${first.metadata.name}`;
    await safe.plane.admin.call('PATCH', path, [{ op: 'remove', path: '/spec/schedulingGates' }], 'application/json-patch+json');
    await vi.waitFor(async () => expect((await safe.plane.admin.call<Pod>('GET', path)).status?.phase).toBe('Running'), { timeout: 30_000 });
    const eviction = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: first.metadata.name },
      deleteOptions: { gracePeriodSeconds: 110 },
    };
    await safe.plane.admin.call('POST', `${path}/eviction`, eviction);
    const second = await vi.waitFor(
      async () => {
        const pod = (await safe.listed('job-name=run')).find(({ metadata }) => metadata.uid !== first.metadata.uid);
        if (pod === undefined) throw new Error('not created again yet');
        return pod;
      },
      { timeout: 30_000 },
    );
    expect(second.metadata.labels?.['nerve.io/job-id']).toBe(first.metadata.labels?.['nerve.io/job-id']);
    expect(Number(environment(second)['NERVE_ATTEMPT'])).toBeGreaterThan(Number(environment(first)['NERVE_ATTEMPT']));
    expect(environment(second)['NERVE_PREVIOUS_ATTEMPT']).toBe(environment(first)['NERVE_ATTEMPT']);
    const ends = (await safe.plane.admin.call<Pod>('GET', path)).metadata.deletionTimestamp ?? '';
    expect(Date.parse(String(environment(second)['NERVE_WAIT_SEALED_UNTIL']))).toBe(Date.parse(ends) + 5000);
  });

  it('gives a pod one whole identity when it is called again, because another webhook has changed the pod', async () => {
    const other = await otherWebhook(safe);
    const pod = await safe.create(simplePod(FOR_BOTH), '?dryRun=All');
    await other.close();
    expect(other.calls()).toBeGreaterThan(0);
    expect(pod.metadata.annotations).toMatchObject({ 'test/other': 'was here' });
    expect(pod.spec.schedulingGates).toEqual([{ name: 'nerve.io/hold' }]);
    const names = (pod.spec.containers[0]?.env ?? []).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(environment(pod)['NERVE_JOB_ID']).toBe(pod.metadata.labels?.['nerve.io/job-id']);
  });

  it('leaves the pods of a parallel Job without index alone', async () => {
    await safe.plane.admin.call('POST', '/apis/batch/v1/namespaces/default/jobs', {
      metadata: { name: 'queue' },
      spec: { parallelism: 3, template: simplePod() },
    });
    await vi.waitFor(async () => expect((await safe.listed('job-name=queue')).map(isHeld)).toEqual([false, false, false]), { timeout: 20_000 });
  });
});

const environment = (pod: Pod): Readonly<Record<string, unknown>> =>
  Object.fromEntries((pod.spec.containers[0]?.env ?? []).map(({ name, value }) => [name, value]));
