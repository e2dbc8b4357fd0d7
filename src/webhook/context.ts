// What adoption knows besides the request itself. All of it is at hand in memory: an admission never waits for anything.

import type { Predecessors } from '../ports.ts';

export interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
}

export interface Installation {
  readonly version: string;
  /** `system:serviceaccount:<namespace>:<name>` of the worker: what it creates passes as it is. */
  readonly workerAccount: string;
  /** Where the worker may create the next attempt of a bare pod. */
  readonly jobNamespaces: readonly string[];
  /** Taints by which spot nodes are kept for those who ask for them. */
  readonly spotTolerations: readonly Toleration[];
}

export interface AdmissionContext {
  readonly installation: Installation;
  readonly nowMs: number;
  /** Does Nerve count as away (engine/pod/beat.ts)? */
  readonly away: boolean;
  readonly predecessors: Predecessors;
  /** A new secret for one attempt's hook. */
  readonly newToken: () => string;
}

/** `key=value:Effect` or `key:Effect`, which the configuration's schema has looked at. */
export function tolerationOf(taint: string): Toleration {
  const [, key = '', value, effect = ''] = /^([^=:]+)(?:=([^:]*))?:(\w+)$/.exec(taint) ?? [];
  return value === undefined ? { key, operator: 'Exists', effect } : { key, operator: 'Equal', value, effect };
}
