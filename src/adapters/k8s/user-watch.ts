// Waiting for something to show on pods: list, then watch from there, again whenever the watch ends or is too old (410).

import { NerveError } from '../../engine/errors.ts';
import type { Pod } from '../../engine/pod/types.ts';
import type { Connection } from './user-config.ts';
import { lines, open } from './user-request.ts';

export interface Watched {
  readonly connection: Connection;
  /** `/api/v1/namespaces/NAMESPACE` */
  readonly core: string;
  readonly selector: string;
  readonly list: (selector: string) => Promise<{ readonly pods: readonly Pod[]; readonly version: string }>;
}

interface Change {
  readonly type: string;
  readonly object: Pod & { readonly code?: number };
}

/** A watch that ends at once is not repeated at once. */
const BREATH_MS = 250;
const WATCH_SECONDS = 300;

export async function watchPods<T>(watched: Watched, see: (pods: readonly Pod[]) => T | null, timeoutRealMs: number): Promise<T | null> {
  const endMs = performance.now() + timeoutRealMs;
  for (;;) {
    const { pods, version } = await watched.list(watched.selector);
    const held = new Map(pods.map((pod) => [pod.metadata.uid ?? pod.metadata.name ?? '', pod]));
    const found = see([...held.values()]);
    if (found !== null) return found;
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return null;
    const seen = await follow(watched, version, held, see, leftMs);
    if (seen !== null) return seen;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, Math.min(BREATH_MS, endMs - performance.now()))));
  }
}

async function follow<T>(
  { connection, core, selector }: Watched,
  version: string,
  held: Map<string, Pod>,
  see: (pods: readonly Pod[]) => T | null,
  leftMs: number,
): Promise<T | null> {
  const query = new URLSearchParams({
    watch: 'true',
    labelSelector: selector,
    resourceVersion: version,
    timeoutSeconds: String(Math.max(1, Math.min(WATCH_SECONDS, Math.ceil(leftMs / 1000)))),
  });
  // A line that died silently is given up a little after the server would have ended the watch.
  const timeout = AbortSignal.timeout(Math.max(1, Math.ceil(Math.min(leftMs, (WATCH_SECONDS + 10) * 1000))));
  try {
    const response = await open(connection, { method: 'GET', path: `${core}/pods?${query.toString()}` }, timeout);
    for await (const line of lines(response)) {
      const { type, object } = JSON.parse(line) as Change;
      if (type === 'ERROR') return null;
      const key = object.metadata.uid ?? object.metadata.name ?? '';
      if (type === 'DELETED') held.delete(key);
      else held.set(key, object);
      const found = see([...held.values()]);
      if (found !== null) {
        response.destroy();
        return found;
      }
    }
    return null;
  } catch (error) {
    // What was refused stays refused; a broken line is mended by the next list, which says so if the server is gone.
    const broken = error instanceof NerveError ? error.kind === 'unreachable' : error instanceof Error && 'code' in error;
    if (timeout.aborted || broken) return null;
    throw error;
  }
}
