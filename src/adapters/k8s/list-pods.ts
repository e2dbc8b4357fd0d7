// All pods that a selector names, page by page, each page reduced by the caller before the next one is asked for: a list of the whole
// cluster never stands in memory.

import type { Pod } from '../../engine/pod/types.ts';
import { type Account, refusal } from './account.ts';

const PAGE = 250;
/** A page that came too late: the list begins again. */
const GONE = 410;
const MAX_RESTARTS = 3;

export interface Listed<T> {
  readonly items: readonly T[];
  /** Where a watch goes on. */
  readonly version: string;
}

interface PodList {
  readonly metadata?: { readonly continue?: string; readonly resourceVersion?: string };
  readonly items?: readonly Pod[];
}

/** Never from the API server's cache. @throws NerveError */
export async function listPods<T>(
  account: Account,
  path: string,
  query: Readonly<Record<string, string>>,
  keep: (pod: Pod) => T | null,
): Promise<Listed<T>> {
  for (let restarts = 0; ; restarts++) {
    const listed = await pages(account, path, query, keep);
    if (listed !== 'gone') return listed;
    if (restarts === MAX_RESTARTS) throw refusal({ status: GONE, body: null }, path);
  }
}

async function pages<T>(
  account: Account,
  path: string,
  query: Readonly<Record<string, string>>,
  keep: (pod: Pod) => T | null,
): Promise<Listed<T> | 'gone'> {
  const items: T[] = [];
  for (let next = ''; ; ) {
    const search = new URLSearchParams({ ...query, limit: String(PAGE), ...(next === '' ? {} : { continue: next }) });
    const answer = await account.ask({ method: 'GET', path: `${path}?${search.toString()}` });
    if (answer.status === GONE) return 'gone';
    if (answer.status !== 200) throw refusal(answer, path);
    const page = answer.body as PodList;
    items.push(...(page.items ?? []).flatMap((pod) => keep(pod) ?? []));
    next = page.metadata?.continue ?? '';
    if (next === '') return { items, version: page.metadata?.resourceVersion ?? '' };
  }
}
