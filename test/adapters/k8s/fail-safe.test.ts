import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Api, serviceAccountApi } from '../../../src/adapters/k8s/api.ts';
import { gatesOf } from '../../../src/adapters/k8s/gates.ts';
import { predecessorWatch } from '../../../src/adapters/k8s/predecessors.ts';
import { workerBeats } from '../../../src/adapters/k8s/worker-beats.ts';
import { quiet, wallClock } from '../../support/clock.ts';
import { selfSigned } from '../../support/webhook/certificate.ts';
import { type FakeApiServer, fakeApiServer, type StoredPod } from '../../support/webhook/api-server.ts';

let server: FakeApiServer;
let api: Api;
let folder: string;
const certificate = selfSigned();

const connected = (): Api => serviceAccountApi({ host: server.url.hostname, port: Number(server.url.port), folder });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nerve-account-'));
  writeFileSync(join(folder, 'token'), 'secret\n');
  writeFileSync(join(folder, 'ca.crt'), certificate.cert);
  server = await fakeApiServer('secret', certificate);
  api = connected();
});

afterEach(async () => {
  api.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

function store(
  name: string,
  { namespace = 'default', spec = {}, ...metadata }: Record<string, unknown> & { spec?: StoredPod['spec'] } = {},
): StoredPod {
  const pod = { metadata: { name, namespace: String(namespace), uid: `uid-${name}`, ...metadata }, spec, status: { phase: 'Pending' } };
  server.pods.set(`${String(namespace)}/${name}`, pod);
  return pod;
}

const held = (...before: readonly string[]) => ({ schedulingGates: [...before, 'nerve.io/hold'].map((name) => ({ name })) });

/** Lists, lets something happen, and opens the one that was seen. */
async function openedAfter(happens: () => unknown): Promise<string> {
  const gates = gatesOf(api);
  const [seen] = await gates.gated();
  if (seen === undefined) throw new Error('no gated pod');
  happens();
  return gates.open(seen);
}

describe('gates', () => {
  it('are found over many pages and in every namespace, whatever labels their pods have', async () => {
    for (let i = 0; i < 600; i++)
      store(`p${i}`, { namespace: `team-${i % 3}`, spec: i % 2 === 0 ? held() : { schedulingGates: [{ name: 'other' }] } });
    const gated = await gatesOf(api).gated();
    expect(gated).toHaveLength(300);
    expect(server.requests.length).toBeLessThan(10);
    expect(server.requests[0]).toContain('fieldSelector=status.phase%3DPending');
  });

  it('are found where pods are so large that fifty of them would not fit into the watchdog', async () => {
    for (let i = 0; i < 12; i++) store(`p${i}`, { spec: held(), annotations: { blob: 'x'.repeat(1_000_000) } });
    expect(await gatesOf(api).gated()).toHaveLength(12);
    expect(server.requests.length).toBeGreaterThan(2);
  });

  it('are listed anew when a page has become too old', async () => {
    for (let i = 0; i < 300; i++) store(`p${i}`, { spec: held() });
    server.expireNextPage();
    expect(await gatesOf(api).gated()).toHaveLength(300);
  });

  it('are opened without touching those of others', async () => {
    const pod = store('a', { spec: held('example.com/quota') });
    expect(await openedAfter(() => undefined)).toBe('opened');
    expect(pod.spec).toEqual({ schedulingGates: [{ name: 'example.com/quota' }] });
  });

  it('that have moved meanwhile stay, and are told to be listed again', async () => {
    const pod = store('a', { spec: held('example.com/quota') });
    const moved = [{ name: 'nerve.io/hold' }, { name: 'late' }];
    expect(await openedAfter(() => (pod.spec['schedulingGates'] = moved))).toBe('changed');
    expect(pod.spec['schedulingGates']).toHaveLength(2);
  });

  it('of pods that are gone count as opened', async () => {
    store('a', { spec: held() });
    expect(await openedAfter(() => server.pods.clear())).toBe('opened');
  });

  it('are an error where the right to list them is missing', async () => {
    writeFileSync(join(folder, 'token'), 'wrong');
    await expect(gatesOf(connected()).gated()).rejects.toThrow('401');
  });
});

describe('the beat', () => {
  it('is read from the worker pods of the namespace of Nerve only, and the mark of draining is put on each', async () => {
    const worker = { namespace: 'nerve', labels: { app: 'worker' } };
    store('w1', { ...worker, annotations: { 'nerve.io/beat': '41' } });
    store('w2', worker);
    store('impostor', { ...worker, namespace: 'default', annotations: { 'nerve.io/beat': '1' } });
    const beats = workerBeats(api, { namespace: 'nerve', labelSelector: 'app=worker' });
    expect(await beats.read()).toEqual([
      { uid: 'uid-w1', beat: '41', draining: false },
      { uid: 'uid-w2', beat: null, draining: false },
    ]);
    await beats.markDraining();
    expect((await beats.read()).every(({ draining }) => draining)).toBe(true);
    expect(server.pods.get('default/impostor')?.metadata.annotations).toEqual({ 'nerve.io/beat': '1' });
  });
});

describe('the watch of attempts', () => {
  const attempt = (name: string, number: number, more: Record<string, unknown> = {}) =>
    store(name, {
      labels: { 'nerve.io/tier': 'async', 'nerve.io/job-id': 'j-1' },
      annotations: { 'nerve.io/attempt': String(number) },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'run', uid: 'u' }],
      spec: { nodeName: 'n', terminationGracePeriodSeconds: 110 },
      ...more,
    });

  async function watched() {
    const stop = new AbortController();
    const watch = predecessorWatch(api, wallClock, quiet);
    const done = watch.run(stop.signal);
    await watch.synced;
    await vi.waitFor(() => expect(server.watches()).toBe(1));
    return {
      watch,
      end: async () => {
        stop.abort();
        await done;
      },
    };
  }

  it('knows the newest attempt that may still run, and until when', async () => {
    attempt('old', 100, { deletionTimestamp: '2026-11-25T12:00:00Z' });
    attempt('new', 200, { deletionTimestamp: '2026-11-25T12:05:00Z' });
    const { watch, end } = await watched();
    expect(watch.of('default', 'j-1')).toEqual({ attempt: 200, endsAtMs: Date.parse('2026-11-25T12:05:00Z') });
    expect(watch.of('team-b', 'j-1')).toBeNull();
    expect(watch.sibling('default', 'j-1')).toBe(false);
    await end();
  });

  it('takes no gated, ended or bare pod for an attempt that still saves', async () => {
    attempt('gated', 100, { spec: held() });
    server.pods.set('default/ended', { ...attempt('ended', 200), status: { phase: 'Failed' } });
    attempt('bare', 300, { ownerReferences: [] });
    const { watch, end } = await watched();
    expect(watch.of('default', 'j-1')).toBeNull();
    expect(watch.sibling('default', 'j-1')).toBe(true);
    await end();
  });

  it('follows what happens, and begins again when the watch breaks', async () => {
    const { watch, end } = await watched();
    server.event('ADDED', attempt('a', 100));
    server.event('BOOKMARK', { metadata: { resourceVersion: '101' } });
    await vi.waitFor(() => expect(watch.of('default', 'j-1')?.attempt).toBe(100));
    server.event('DELETED', server.pods.get('default/a'));
    await vi.waitFor(() => expect(watch.of('default', 'j-1')).toBeNull());
    attempt('b', 200);
    server.breakWatches();
    await vi.waitFor(() => expect(watch.of('default', 'j-1')?.attempt).toBe(200), { timeout: 5000 });
    await vi.waitFor(() => expect(server.watches()).toBe(1));
    server.event('ERROR', { code: 410, message: 'too old' });
    await vi.waitFor(() => expect(server.requests.filter((line) => !line.includes('watch=true'))).toHaveLength(3), { timeout: 5000 });
    await end();
  });
});
