// The records a report is made of: this machine's, or those of a cluster, which only its operator reaches (Redis through a port-forward).

import { NerveError } from '../engine/errors.ts';
import type { OpenRecords, TargetFlags } from '../wire.ts';

export async function withRecords<T>(
  flags: TargetFlags,
  use: (open: { readonly records: OpenRecords; readonly label: string; readonly target: string }) => Promise<T>,
): Promise<T> {
  const { isUp, openClusterRecords, openSession, where } = await import('../wire.ts');
  const at = where(flags);
  if (at.config.target !== 'cluster' && (isUp(at.paths) || at.config.redis.url === null)) {
    const session = await openSession(at);
    try {
      return await use({ records: session.queue.records, label: session.label, target: session.target });
    } finally {
      await session.close();
    }
  }
  const { url } = at.config.redis;
  if (url === null)
    throw new NerveError('unreachable', "A cluster's records are in its Redis, and no address of that is set.", {
      hint: `kubectl -n ${at.config.cluster.nerveNamespace} port-forward svc/nerve-agent-redis 6379 & then NERVE_REDIS_URL=redis://viewer:PASSWORD@localhost:6379`,
    });
  const open = await openClusterRecords(url);
  try {
    return await use({ records: open.records, label: 'cluster (its records in Redis)', target: 'cluster' });
  } finally {
    await open.close();
  }
}
