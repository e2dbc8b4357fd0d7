// An installation as the chart makes it, and a JSON patch applied as the API server applies it (RFC 6902; a path that is not there is an error).

import type { AdmissionContext } from '../../../src/webhook/context.ts';
import type { PatchOperation } from '../../../src/webhook/review.ts';
import { WORKER } from './reviews.ts';

export const NOW_MS = Date.parse('2026-11-25T12:00:00Z');

export function contextWith(more: Partial<AdmissionContext> = {}): AdmissionContext {
  return {
    installation: {
      version: '0.1.0',
      workerAccount: WORKER,
      jobNamespaces: ['default'],
      spotTolerations: [
        { key: 'eks.amazonaws.com/capacityType', operator: 'Equal', value: 'SPOT', effect: 'NoSchedule' },
        { key: 'karpenter.sh/capacity-type', operator: 'Equal', value: 'spot', effect: 'NoSchedule' },
      ],
    },
    nowMs: NOW_MS,
    away: false,
    predecessors: { of: () => null, sibling: () => false },
    newToken: () => 'token-of-this-attempt',
    ...more,
  };
}

export function applied<T>(object: T, patch: readonly PatchOperation[]): T {
  const result = structuredClone(object);
  for (const operation of patch) {
    const keys = operation.path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop() ?? '';
    let at = result as Record<string, unknown>;
    for (const key of keys) {
      const next = at[key];
      if (typeof next !== 'object' || next === null) throw new Error(`${operation.path}: there is no ${key}`);
      at = next as Record<string, unknown>;
    }
    if (operation.op === 'add') at[last] = operation.value;
    else if (!(last in at)) throw new Error(`${operation.path}: nothing to remove`);
    else delete at[last];
  }
  return result;
}
