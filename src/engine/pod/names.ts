// Every name on the wire between Nerve's programs in a cluster: labels, annotations, gate, environment (DESIGN section 7 and
// docs/decisions/0009-the-cluster-wire.md). Webhook, worker, agent, watchdog and CLI read them from here and nowhere else.

export const TIER_LABEL = 'nerve.io/tier';
export const ASYNC_TIER = 'async';
export const JOB_ID_LABEL = 'nerve.io/job-id';
export const HOLD_GATE = 'nerve.io/hold';

/** Annotations of a pod. Written by whom: see the decision record. */
export const POD = {
  // asked by the user
  deadline: 'nerve.io/deadline',
  expectedDuration: 'nerve.io/expected-duration',
  optimize: 'nerve.io/optimize',
  carbonPrice: 'nerve.io/carbon-price',
  maxPrice: 'nerve.io/max-price',
  retries: 'nerve.io/retries',
  zones: 'nerve.io/zones',
  instanceTypes: 'nerve.io/instance-types',
  checkpointUri: 'nerve.io/checkpoint-uri',
  volumes: 'nerve.io/volumes',
  capacityFallback: 'nerve.io/capacity-fallback',
  /** The container that trains, where it is not the first one. */
  container: 'nerve.io/container',
  /** `cancel` | `pause` | `resume` | `release` | `move`, or `deadline=<RFC 3339>`, with `#<nonce>` behind it: the worker takes each once. */
  request: 'nerve.io/request',
  /** A nonce: the agent takes it as a notice for this pod alone. */
  drill: 'nerve.io/drill',
  // written by the webhook
  webhook: 'nerve.io/webhook',
  attempt: 'nerve.io/attempt',
  /** Of a Job's pod template: why Nerve leaves its pods alone, as a sentence. A user may write it too. */
  leave: 'nerve.io/leave',
  backoffLimit: 'nerve.io/backoff-limit',
  ignoresDisruption: 'nerve.io/ignores-disruption',
  // written by the worker
  /** JSON: which attempt of the engine this pod is and what was asked for (read.ts). Written in the patch that lifts the gate. */
  launchedAs: 'nerve.io/launched-as',
  /** JSON: the affinity that the user wrote, or `null`, before Nerve pinned the pod. Written with `launched-as`. */
  ownAffinity: 'nerve.io/own-affinity',
  /** When its job was closed; such a pod is history, and no attempt of anything. */
  finished: 'nerve.io/finished',
  state: 'nerve.io/state',
  reason: 'nerve.io/reason',
  plan: 'nerve.io/plan',
  moves: 'nerve.io/moves',
  costUsd: 'nerve.io/cost-usd',
  stopRequest: 'nerve.io/stop-request',
  deletedBy: 'nerve.io/deleted-by',
  requestSeen: 'nerve.io/request-seen',
  // written by the agent
  progress: 'nerve.io/progress',
  resumed: 'nerve.io/resumed',
  lastCheckpoint: 'nerve.io/last-checkpoint',
  drillResult: 'nerve.io/drill-result',
  // on the worker's own pods
  beat: 'nerve.io/beat',
  draining: 'nerve.io/draining',
} as const;

/** Annotations of a node, written by the agent. @internal until the agent of a cluster is there */
export const NODE = {
  interruption: 'nerve.io/interruption',
  rebalance: 'nerve.io/rebalance',
  cordonedBy: 'nerve.io/cordoned-by',
} as const;

/** Labels of others that are read, never re-invented. @internal until the cluster's adapter is there */
export const LABELS = {
  zone: 'topology.kubernetes.io/zone',
  zoneId: 'topology.k8s.aws/zone-id',
  instanceType: 'node.kubernetes.io/instance-type',
  karpenterCapacityType: 'karpenter.sh/capacity-type',
  eksCapacityType: 'eks.amazonaws.com/capacityType',
  /** The `labels` dialect: for clusters whose nodes carry neither of the two above. The one label of ours that a node may carry. */
  capacityType: 'nerve.io/capacity-type',
} as const;

export const ENV = {
  jobId: 'NERVE_JOB_ID',
  attempt: 'NERVE_ATTEMPT',
  deadline: 'NERVE_DEADLINE',
  checkpointUri: 'NERVE_CHECKPOINT_URI',
  hookHost: 'NERVE_HOOK_HOST',
  hookPort: 'NERVE_HOOK_PORT',
  hookToken: 'NERVE_HOOK_TOKEN',
  previousAttempt: 'NERVE_PREVIOUS_ATTEMPT',
  waitSealedUntil: 'NERVE_WAIT_SEALED_UNTIL',
} as const;

/** Where the SDK's hook listens inside a pod's own network. */
export const HOOK_PORT = 8711;
