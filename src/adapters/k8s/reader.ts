// One kind of object, followed: a list page by page, then a watch with bookmarks, and only the needed fields kept. Level-triggered: after
// anything that may have lost an event (410, a broken stream, an outage) everything is listed again, and the difference is what is told.
// `gone` is told with the last object that was seen, whether a watch or a list noticed.

import type { ObjectMeta } from '../../engine/pod/types.ts';
import type { Clock, Log } from '../../ports.ts';
import { type Api, statusOf } from './api.ts';
import { eachPage } from './pages.ts';

const WATCH_SECONDS = 290;
/** Bookmarks come about once a minute: silence for longer is a dead connection. */
const IDLE_MS = 100_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
const GOOD_WATCH_MS = 5000;

export interface Kept {
  readonly metadata: ObjectMeta;
}

export interface ReaderOptions<T extends Kept> {
  readonly api: Api;
  /** `/api/v1/pods`. */
  readonly path: string;
  /** `labelSelector=...`, already encoded; empty: all. */
  readonly query: string;
  /** Keeps what is needed: the rest would be most of the memory. */
  readonly slim: (object: T) => T;
  readonly clock: Clock;
  readonly log: Log;
  changed(object: T, before: T | null): void;
  /** `heard`: the watch told of its end; else a list no longer had it, and what became of it meanwhile nobody saw. */
  gone(last: T, heard: boolean): void;
}

export interface Reader<T extends Kept> {
  /** By uid. */
  readonly objects: ReadonlyMap<string, T>;
  /** Resolves when everything was listed once. */
  readonly synced: Promise<void>;
  /** When a whole list or something on the watch was last heard; real ms. 0: nothing since the last of them broke. */
  answeredAtMs(): number;
  run(signal: AbortSignal): Promise<void>;
}

interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T;
}

/** The stream is of no use any more: list again. */
class Stale extends Error {}

export function createReader<T extends Kept>(options: ReaderOptions<T>): Reader<T> {
  const { api, path, query, slim, clock, log } = options;
  const objects = new Map<string, T>();
  let answeredAtMs = 0;
  const first = Promise.withResolvers<void>();

  const put = (object: T): void => {
    const uid = object.metadata.uid ?? '';
    const before = objects.get(uid) ?? null;
    if (before !== null && before.metadata.resourceVersion === object.metadata.resourceVersion) return;
    objects.set(uid, object);
    options.changed(object, before);
  };
  const drop = (uid: string, last: T | undefined): void => {
    const known = last ?? objects.get(uid);
    objects.delete(uid);
    if (known !== undefined) options.gone(known, last !== undefined);
  };

  const list = async (): Promise<string> => {
    const seen = new Set<string>();
    const version = await eachPage<T>(api, path, Object.fromEntries(new URLSearchParams(query)), (items) => {
      for (const item of items) {
        seen.add(item.metadata.uid ?? '');
        put(slim(item));
      }
    });
    for (const uid of objects.keys()) if (!seen.has(uid)) drop(uid, undefined);
    // Only now: what later pages show is as old as the outage until they came.
    answeredAtMs = clock.realNowMs();
    return version;
  };

  /** Answers the version to go on from. @throws Stale when there is none. */
  const watch = async (from: string, signal: AbortSignal): Promise<string> => {
    let version = from;
    let stale: string | null = null;
    const take = (text: string): void => {
      const event = JSON.parse(text) as WatchEvent<T>;
      if (event.type === 'ERROR') {
        stale = text.slice(0, 300);
        return;
      }
      answeredAtMs = clock.realNowMs();
      version = event.object.metadata.resourceVersion ?? version;
      if (event.type === 'DELETED') drop(event.object.metadata.uid ?? '', slim(event.object));
      else if (event.type !== 'BOOKMARK') put(slim(event.object));
    };
    const asks = join(query, 'watch=true', 'allowWatchBookmarks=true', `resourceVersion=${from}`, `timeoutSeconds=${WATCH_SECONDS}`);
    await api.lines(`${path}?${asks}`, take, { idleMs: IDLE_MS, signal });
    if (stale !== null) throw new Stale(stale);
    return version;
  };

  return {
    objects,
    synced: first.promise,
    answeredAtMs: () => answeredAtMs,
    run: async (signal) => {
      let pauseMs = FIRST_PAUSE_MS;
      while (!signal.aborted) {
        let listedAtMs = Number.POSITIVE_INFINITY;
        try {
          let version = await list();
          first.resolve();
          listedAtMs = clock.realNowMs();
          while (!signal.aborted) version = await watch(version, signal);
        } catch (error) {
          if (signal.aborted) return;
          answeredAtMs = 0;
          const gone = error instanceof Stale || statusOf(error) === 410;
          log[gone ? 'debug' : 'warn']({ path, error: error instanceof Error ? error.message : String(error) }, 'listing again');
          // A watch that held for a while was a good one; one that fails at once must not become a storm of lists.
          if (clock.realNowMs() - listedAtMs > GOOD_WATCH_MS) pauseMs = FIRST_PAUSE_MS;
          // Half of it by chance: all readers lose their server at the same moment.
          await clock.sleep(pauseMs * (0.5 + Math.random() / 2), signal);
          pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
        }
      }
    },
  };
}

const join = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('&');
