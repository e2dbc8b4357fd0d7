// A list of objects of anybody's size, page by page, in the memory of a small container: 250 pods may be 1 MB or 250. A page that turns out too
// long is dropped while it is read, and asked for again with fewer objects in it.

import type { Api } from './api.ts';
import { isTooLong } from './api.ts';

const FIRST = 50;
const MOST = 250;
/** As text; parsed it is some three times that. */
const PAGE_BYTES = 4_000_000;
/** One object is at most 1.5 MB in etcd; as JSON a `<` of it takes six bytes. */
const OBJECT_BYTES = 12_000_000;
const SHRINK = 8;

export interface Page<T> {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly T[];
}

/** Hands each page over before the next one is asked for; answers the version of the whole list. @throws as `Api.call`. */
export async function eachPage<T>(
  api: Api,
  path: string,
  query: Readonly<Record<string, string>>,
  take: (items: readonly T[]) => void,
): Promise<string> {
  let limit = FIRST;
  for (let next = ''; ; ) {
    const search = new URLSearchParams({ ...query, limit: String(limit), ...(next === '' ? {} : { continue: next }) });
    const page = await api
      .call<Page<T>>({ path: `${path}?${search.toString()}`, atMostBytes: limit === 1 ? OBJECT_BYTES : PAGE_BYTES })
      .catch((error: unknown) => {
        if (isTooLong(error) && limit > 1) return null;
        throw error;
      });
    limit = page === null ? Math.max(1, Math.floor(limit / SHRINK)) : Math.min(MOST, limit * 2);
    if (page === null) continue;
    take(page.items);
    next = page.metadata.continue ?? '';
    if (next === '') return page.metadata.resourceVersion ?? '';
  }
}
