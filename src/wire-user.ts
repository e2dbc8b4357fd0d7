// The part of wire that opens a cluster for the command line. Loaded only when a cluster is meant: the kubeconfig library takes 0.16 s.

import { kubeconfigThere, connect } from './adapters/k8s/user-config.ts';
import { userCluster } from './adapters/k8s/user.ts';
import { environment } from './config/environment.ts';
import type { Config, ContextDefaults } from './config/schema.ts';
import { engineSettings } from './config/timing.ts';
import { NerveError } from './engine/errors.ts';
import type { EngineSettings } from './engine/snapshot.ts';
import type { UserCluster } from './ports.ts';
import type { Where } from './wire.ts';

/** A cluster, opened with the user's own rights. Nothing has to be closed: no connection outlives its request. */
export interface ClusterSession {
  readonly target: 'cluster';
  /** The first line of every answer. */
  readonly label: string;
  readonly cluster: UserCluster;
  /** What nerve.yaml says for this context. */
  readonly defaults: ContextDefaults;
  readonly config: Config;
  readonly settings: EngineSettings;
  /** The worker looks at a pod as soon as it changes; a standby that takes over needs a little longer. */
  readonly answerTimeoutMs: number;
}

export const clusterNamed = (): boolean => kubeconfigThere(environment());

/** @throws NerveError `unreachable` or `usage`; asks the cluster nothing yet. */
export function openCluster({ config }: Pick<Where, 'config'>): ClusterSession {
  const connection = connect(environment(), {
    context: config.cluster.context,
    namespace: (context) => config.cluster.namespace ?? config.contexts[context]?.namespace ?? null,
  });
  const cluster = userCluster(connection);
  return {
    target: 'cluster',
    label: `cluster (context ${cluster.context}, namespace ${cluster.namespace})`,
    cluster,
    defaults: config.contexts[cluster.context] ?? {},
    config,
    settings: engineSettings(config, 1),
    answerTimeoutMs: config.cluster.answerTimeoutSeconds * 1000,
  };
}

/** What on demand costs by list; null: not known here. The worker in the cluster knows more, but it is away when this is asked. */
export async function listPrice(instanceType: string): Promise<{ readonly usdPerHour: number; readonly region: string } | null> {
  const { onDemandUsdPerHour, REGION } = await import('./adapters/local/weather.ts');
  const usdPerHour = onDemandUsdPerHour(instanceType);
  return usdPerHour === null ? null : { usdPerHour, region: REGION };
}

export function nothingAnswers(why: string): NerveError {
  return new NerveError('unreachable', `Nerve does not run on this machine, and ${why}.`, {
    hint: 'Start it here with "nerve up"; or install it in a cluster (helm install nerve-agent) and choose that with --context.',
  });
}
