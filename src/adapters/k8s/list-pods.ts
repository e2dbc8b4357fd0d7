// All pods that a selector names, page by page, each page reduced before the next one is asked for: a list of the whole cluster never
// stands in memory.

import type { Pod } from '../../engine/pod/types.ts';
import { type Api, statusOf } from './api.ts';
import { eachPage } from './pages.ts';

/** A page that came too late: the list begins again. */
const GONE = 410;
const MAX_RESTARTS = 3;

/** Never from the API server's cache. @throws as `Api.call`. */
export async function listPods<T>(
  api: Api,
  path: string,
  query: Readonly<Record<string, string>>,
  keep: (pod: Pod) => T | null,
): Promise<readonly T[]> {
  for (let restarts = 0; ; restarts++) {
    try {
      const kept: T[] = [];
      await eachPage<Pod>(api, path, query, (pods) => kept.push(...pods.flatMap((pod) => keep(pod) ?? [])));
      return kept;
    } catch (error) {
      if (statusOf(error) !== GONE || restarts === MAX_RESTARTS) throw error;
    }
  }
}
