// What the doctor looks at in a cluster. Only values: gather.ts fills them with the user's rights, judge-cluster.ts judges them.

import type { Fact } from './finding.ts';

export interface Rights {
  readonly what: string;
  readonly allowed: boolean;
  /** Without it nothing can be submitted. */
  readonly needed: boolean;
}

export interface Workload {
  readonly kind: 'Deployment' | 'DaemonSet' | 'StatefulSet';
  readonly namespace: string;
  readonly name: string;
  /** `app.kubernetes.io/component`, on Nerve's own. */
  readonly component: string | null;
  readonly wanted: number;
  readonly ready: number;
  /** Names and values of environment variables, and arguments: a second drainer shows itself there. */
  readonly settings: readonly string[];
}

/** Nodes, or a Karpenter pool that may make some. */
export interface Pool {
  readonly name: string;
  readonly from: 'nodes' | 'karpenter';
  /** Zones it has or may make; null: any. */
  readonly zones: readonly string[] | null;
  readonly capacityTypes: readonly ('spot' | 'on-demand')[];
  readonly taints: readonly { readonly key: string; readonly value: string | null; readonly effect: string }[];
  /** What its limit leaves; absent resources are not limited. */
  readonly left: Readonly<Record<string, number>>;
  /** Made by EKS with capacity type SPOT: such a group drains by itself. */
  readonly eksSpotGroup: boolean;
}

export interface PodLook {
  readonly name: string;
  readonly graceSeconds: number;
  /** How long its last save took. */
  readonly saveMs: number | null;
  readonly claims: readonly string[];
  readonly regional: boolean;
  readonly tolerations: readonly { readonly key?: string; readonly operator?: string; readonly value?: string; readonly effect?: string }[];
  readonly requests: Readonly<Record<string, number>>;
  readonly checkpointUri: string | null;
  readonly serviceAccount: string;
}

export interface JobLook {
  readonly name: string;
  /** Null: its own failure rules do not count moves. */
  readonly moves: number | null;
}

export interface Claim {
  readonly name: string;
  /** Zones it is tied to; empty: none seen. */
  readonly zones: readonly string[];
  /** Of its storage class. */
  readonly provisioner: string | null;
}

export interface Quota {
  readonly name: string;
  readonly resource: string;
  readonly used: number;
  readonly hard: number;
}

export interface ClusterFacts {
  readonly namespace: string;
  readonly nerveNamespace: string;
  readonly version: Fact<{ readonly major: number; readonly minor: number }>;
  readonly gateKept: Fact<boolean>;
  readonly webhook: Fact<'gates' | 'adopts-without-gate' | 'away' | 'none'>;
  readonly rights: Fact<readonly Rights[]>;
  readonly nerve: Fact<readonly Workload[]>;
  /** Newest counter of the worker's beat; null: none has beaten. */
  readonly beat: Fact<boolean>;
  readonly workloads: Fact<readonly Workload[]>;
  readonly pools: Fact<readonly Pool[]>;
  /** Hop limits of Karpenter's node classes, by name. */
  readonly hopLimits: Fact<readonly { readonly name: string; readonly hops: number }[]>;
  /** Service accounts with a cloud role of their own. */
  readonly roleAccounts: Fact<readonly string[]>;
  readonly pods: Fact<readonly PodLook[]>;
  /** Jobs that have not ended, and whose pods are Nerve's. */
  readonly jobs: Fact<readonly JobLook[]>;
  readonly claims: Fact<readonly Claim[]>;
  readonly quotas: Fact<readonly Quota[]>;
  /** Null: none was named. */
  readonly redis: Fact<'ok'> | { readonly refused: string; readonly fix: string };
  readonly store: Fact<'ok' | 'no-fence'> | { readonly refused: string; readonly fix: string };
}
