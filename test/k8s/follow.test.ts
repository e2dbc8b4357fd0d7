import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Api, Ask } from '../../src/adapters/k8s/api.ts';
import { type Follow, followCluster } from '../../src/adapters/k8s/follow.ts';
import { silentLog } from '../../src/adapters/system/log.ts';
import { POD } from '../../src/engine/pod/names.ts';
import type { Pod } from '../../src/engine/pod/types.ts';
import { AT_MS, pod } from '../engine/pod/pods.ts';

const checkpoint = (id: string, final: boolean): string =>
  JSON.stringify({ id, step: 1, bytes: 1, durationMs: 1, sealedAt: '2026-11-25T10:00:00Z', final });

describe('following pods', () => {
  let stop: AbortController;
  let follow: Follow;
  let told: string[];
  let version = 1;
  let send: (pod: Pod) => void = () => undefined;
  const named = (jobId: string, annotations: Readonly<Record<string, string>>): Pod => {
    version += 1;
    const made = pod();
    const labels = { 'nerve.io/tier': 'async', 'nerve.io/job-id': jobId };
    return { ...made, metadata: { ...made.metadata, uid: jobId, resourceVersion: String(version), labels, annotations } };
  };

  beforeEach(async () => {
    stop = new AbortController();
    told = [];
    const api: Api = {
      call: <T>({ path }: Ask) =>
        Promise.resolve({
          metadata: { resourceVersion: '1' },
          items: path.startsWith('/api/v1/pods') ? [named('j-a', {}), named('j-b', {})] : [],
        } as T),
      lines: (path, line, { signal }) => {
        if (path.startsWith('/api/v1/pods')) send = (object) => line(JSON.stringify({ type: 'MODIFIED', object }));
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
      },
      close: () => undefined,
    };
    const clock = { nowMs: () => AT_MS, realNowMs: () => AT_MS, sleep: async () => undefined, speed: 1 };
    follow = followCluster(api, clock, silentLog);
    void follow.watch((jobIds) => told.push(...jobIds), stop.signal);
    void follow.run(stop.signal);
    await vi.waitUntil(() => told.length === 2);
    told.length = 0;
  });
  afterEach(() => stop.abort());

  it('wakes nobody for what the worker wrote itself, whether its answer or the event comes first', async () => {
    const launched = (jobId: string): Pod => named(jobId, { [POD.stopRequest]: 'move' });
    const answeredFirst = launched('j-a');
    follow.wrote(answeredFirst);
    send(answeredFirst);
    const eventFirst = launched('j-b');
    send(eventFirst);
    follow.wrote(eventFirst);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(told).toEqual([]);
    send(named('j-a', { [POD.stopRequest]: 'pause' }));
    await vi.waitFor(() => expect(told).toEqual(['j-a']));
  });

  it('wakes nobody for progress and periodic checkpoints, and its job for a final one', async () => {
    send(named('j-a', { [POD.progress]: JSON.stringify({ step: 7, at: '2026-11-25T10:00:00Z' }) }));
    send(named('j-a', { [POD.lastCheckpoint]: checkpoint('1', false) }));
    send(named('j-b', { [POD.lastCheckpoint]: checkpoint('2', true) }));
    await vi.waitFor(() => expect(told).toContain('j-b'));
    expect(told).toEqual(['j-b']);
  });
});
