// What the agent writes on a pod, as annotations; observe.ts reads them back.

import type { CheckpointInfo } from '../record.ts';
import type { ObservedAttempt, ObservedProgress } from '../snapshot.ts';
import { POD } from './names.ts';
import { rfc3339 } from './read.ts';

export function attemptAnnotations(seen: {
  readonly progress?: ObservedProgress;
  readonly resumed?: NonNullable<ObservedAttempt['resumed']>;
  readonly lastCheckpoint?: CheckpointInfo;
  readonly drillResult?: object;
}): Readonly<Record<string, string>> {
  const { progress, resumed, lastCheckpoint, drillResult } = seen;
  return {
    ...(progress === undefined ? {} : { [POD.progress]: dated(progress, 'atMs', 'at') }),
    ...(resumed === undefined ? {} : { [POD.resumed]: dated(resumed, 'atMs', 'at') }),
    ...(lastCheckpoint === undefined ? {} : { [POD.lastCheckpoint]: dated(lastCheckpoint, 'sealedAtMs', 'sealedAt') }),
    ...(drillResult === undefined ? {} : { [POD.drillResult]: JSON.stringify(drillResult) }),
  };
}

/** Instants are RFC 3339 outside. */
function dated<K extends string>(value: Readonly<Record<K, number>>, key: K, name: string): string {
  const { [key]: atMs, ...rest } = value;
  return JSON.stringify({ ...rest, [name]: rfc3339(atMs as number) });
}
