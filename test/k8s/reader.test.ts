// The reader against a server that does what API servers do on bad days: pages, expired versions, broken and silent streams, ten minutes away.

import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Api } from '../../src/adapters/k8s/api.ts';
import { eachPage } from '../../src/adapters/k8s/pages.ts';
import { createReader } from '../../src/adapters/k8s/reader.ts';
import { NerveError } from '../../src/engine/errors.ts';
import type { ObjectMeta } from '../../src/engine/pod/types.ts';
import { silentLog } from '../../src/adapters/system/log.ts';

interface Thing {
  readonly metadata: ObjectMeta;
}

const thing = (uid: string, version: number): Thing => ({ metadata: { uid, name: uid, resourceVersion: String(version) } });
const away = (): never => {
  throw new NerveError('unreachable', 'connection refused');
};

/** One watch: what it sends, then how it ends. */
interface Stream {
  readonly events: readonly { readonly type: string; readonly object: unknown }[];
  readonly end?: 'closed' | 'reset' | 'open' | 'gone';
}

/** Over the timers that a test may fake. */
const clock = {
  nowMs: () => Date.now(),
  realNowMs: () => Date.now(),
  sleep: (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms)),
  speed: 1,
};

class Server implements Api {
  things: Thing[] = [];
  version = 100;
  down = false;
  streams: Stream[] = [];
  lists = 0;
  mostItems = Number.POSITIVE_INFINITY;
  readonly asked: string[] = [];

  async call<T>({ path }: { readonly path: string }): Promise<T> {
    this.asked.push(path);
    if (this.down) away();
    const query = new URLSearchParams(path.split('?')[1]);
    const from = Number(query.get('continue') ?? 0);
    const to = from + Number(query.get('limit'));
    if (from === 0) this.lists += 1;
    const sent = this.things.slice(from, to).length;
    if (sent > this.mostItems) throw new NerveError('retryable', 'more than 4 bytes', { fields: { tooLong: true } });
    const metadata = { resourceVersion: String(this.version), ...(to < this.things.length ? { continue: String(to) } : {}) };
    return { metadata, items: this.things.slice(from, to) } as T;
  }

  async lines(path: string, line: (text: string) => void, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.asked.push(path);
    if (this.down) away();
    const stream = this.streams.shift() ?? { events: [], end: 'open' };
    if (stream.end === 'gone') throw new NerveError('conflict', 'too old', { fields: { status: 410 } });
    for (const event of stream.events) line(JSON.stringify(event));
    if (stream.end === 'reset') throw new NerveError('unreachable', 'socket hang up');
    if ((stream.end ?? 'open') === 'open') await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  }

  close(): void {}
}

const stop = new Set<AbortController>();
afterEach(() => {
  vi.useRealTimers();
  for (const each of stop) each.abort();
  stop.clear();
});

function follow(server: Server) {
  const told: string[] = [];
  const reader = createReader<Thing>({
    api: server,
    path: '/things',
    query: 'labelSelector=x',
    slim: (object) => object,
    clock,
    log: silentLog,
    changed: (object, before) =>
      void told.push(`${before === null ? 'new' : 'changed'} ${object.metadata.uid ?? ''}@${object.metadata.resourceVersion ?? ''}`),
    gone: (last, heard) => void told.push(`${heard ? 'gone' : 'missing'} ${last.metadata.uid ?? ''}@${last.metadata.resourceVersion ?? ''}`),
  });
  const controller = new AbortController();
  stop.add(controller);
  void reader.run(controller.signal);
  return { reader, told, settled: (count: number) => vi.waitFor(() => expect(told.length).toBeGreaterThanOrEqual(count), { timeout: 5000 }) };
}

describe('the reader', () => {
  it('lists page by page', async () => {
    const server = new Server();
    server.things = Array.from({ length: 620 }, (_, i) => thing(`t${i}`, i + 1));
    const { reader } = follow(server);
    await reader.synced;
    expect(reader.objects.size).toBe(620);
    expect(server.asked.flatMap((path) => /limit=(\d+)/.exec(path)?.[1] ?? [])).toEqual(['50', '100', '200', '250', '250']);
  });

  it('asks for fewer at once where a page is too long, so that large objects do not fill its memory', async () => {
    const server = new Server();
    server.things = Array.from({ length: 60 }, (_, i) => thing(`t${i}`, i + 1));
    server.mostItems = 7;
    const { reader } = follow(server);
    await reader.synced;
    expect(reader.objects.size).toBe(60);
    server.mostItems = 0;
    server.asked.length = 0;
    await expect(eachPage(server, '/things', {}, () => undefined)).rejects.toThrow('more than');
  });

  it('tells what a watch brings, and goes on from where it was when the server ends the stream', async () => {
    const server = new Server();
    server.things = [thing('a', 1)];
    server.streams = [
      {
        events: [
          { type: 'MODIFIED', object: thing('a', 101) },
          { type: 'BOOKMARK', object: thing('', 140) },
        ],
        end: 'closed',
      },
      {
        events: [
          { type: 'ADDED', object: thing('b', 141) },
          { type: 'DELETED', object: thing('a', 142) },
        ],
      },
    ];
    const { told, settled } = follow(server);
    await settled(4);
    expect(told).toEqual(['new a@1', 'changed a@101', 'new b@141', 'gone a@142']);
    expect(server.asked.filter((path) => path.includes('watch=true')).map((path) => /resourceVersion=(\d+)/.exec(path)?.[1])).toEqual(['100', '140']);
    expect(server.lists).toBe(1);
  });

  it.each([
    ['an ERROR event of 410', { events: [{ type: 'ERROR', object: { code: 410, metadata: {} } }], end: 'closed' }],
    ['an answer of 410', { events: [], end: 'gone' }],
    ['a reset', { events: [], end: 'reset' }],
  ] as const)('lists again after %s, and tells the difference with the last object it saw', async (_, stream) => {
    const server = new Server();
    server.things = [thing('a', 1), thing('b', 2), thing('c', 3)];
    server.streams = [{ events: [{ type: 'MODIFIED', object: thing('b', 101) }], end: 'closed' }, stream];
    const { told, settled } = follow(server);
    await settled(4);
    server.things = [thing('a', 1), thing('c', 150), thing('d', 151)];
    await settled(7);
    expect(told).toEqual(['new a@1', 'new b@2', 'new c@3', 'changed b@101', 'changed c@150', 'new d@151', 'missing b@101']);
    expect(server.lists).toBe(2);
  });

  it('keeps what it knows through ten minutes without a server, asks less and less, and catches up', async () => {
    vi.useFakeTimers();
    const server = new Server();
    server.things = [thing('a', 1)];
    server.streams = [{ events: [], end: 'reset' }];
    const { reader, told } = follow(server);
    server.down = false;
    await vi.advanceTimersByTimeAsync(1);
    server.down = true;
    const before = server.asked.length;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(reader.objects.size).toBe(1);
    expect(told).toEqual(['new a@1']);
    const asked = server.asked.length - before;
    expect(asked).toBeGreaterThan(50);
    expect(asked).toBeLessThan(150);
    server.down = false;
    server.things = [thing('b', 300)];
    await vi.advanceTimersByTimeAsync(11_000);
    expect(told).toEqual(['new a@1', 'new b@300', 'missing a@1']);
  });
});
