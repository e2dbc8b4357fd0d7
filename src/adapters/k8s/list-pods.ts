// All pods that a selector names, page by page, each page reduced before the next one is asked for: a list of the whole cluster never
// stands in memory.

import type { Pod } from '../../engine/pod/types.ts';
import { type Api, statusOf } from './api.ts';

const PAGE = 250;
/** A page that came too late: the list begins again. */
const GONE = 410;
const MAX_RESTARTS = 3;

interface PodList {
  readonly metadata: { readonly continue?: string };
  readonly items: readonly Pod[];
}

/** Never from the API server's cache. @throws as `Api.call`. */
export async function listPods<T>(
  api: Api,
  path: string,
  query: Readonly<Record<string, string>>,
  keep: (pod: Pod) => T | null,
): Promise<readonly T[]> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await pages(api, path, query, keep);
    } catch (error) {
      if (statusOf(error) !== GONE || restarts === MAX_RESTARTS) throw error;
    }
  }
}

async function pages<T>(api: Api, path: string, query: Readonly<Record<string, string>>, keep: (pod: Pod) => T | null): Promise<readonly T[]> {
  const kept: T[] = [];
  for (let next = ''; ; ) {
    const search = new URLSearchParams({ ...query, limit: String(PAGE), ...(next === '' ? {} : { continue: next }) });
    const { metadata, items } = await api.call<PodList>({ path: `${path}?${search.toString()}` });
    kept.push(...items.flatMap((pod) => keep(pod) ?? []));
    next = metadata.continue ?? '';
    if (next === '') return kept;
  }
}
