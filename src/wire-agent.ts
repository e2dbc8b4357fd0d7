// The part of wire that runs the agent in a cluster. It is on every node, so it loads as little as can be: no settings, no command line,
// nothing that checks them.

import { serviceAccountApi } from './adapters/k8s/api.ts';
import { instanceMetadata } from './adapters/aws/imds.ts';
import { httpHooks } from './adapters/hooks/http.ts';
import { kubernetesNodeHost } from './adapters/k8s/node-host.ts';
import { clockFrom } from './adapters/system/clock.ts';
import { createLog } from './adapters/system/log.ts';
import { runAgent } from './agent/run.ts';
import { environment } from './config/environment.ts';
import { inCluster, noNode } from './config/in-cluster.ts';
import { logLevel } from './config/log-level.ts';

const UNCORDON_AFTER_MS = 600_000;
/** It writes a few small patches; sixteen connections would be a megabyte on every node. */
const MAX_CALLS = 2;

/**
 * The agent of one node of a cluster (a test runs several in one process); runs until aborted. `nodes` null: the one that this pod is on.
 * `{node}` in `imds` stands for the node's name.
 *
 * @throws NerveError `usage` when nothing says which node that is.
 */
export async function runClusterAgents(nodes: readonly string[] | null, imds: string, signal: AbortSignal): Promise<void> {
  const here = inCluster(environment());
  const names = nodes ?? [here.nodeName ?? noNode()];
  const clock = clockFrom({ realMs: 0, virtualMs: 0, speed: 1 });
  const log = createLog('agent', logLevel(environment()));
  const api = serviceAccountApi(here.account, MAX_CALLS);
  const options = {
    pollRealMs: here.agentPollSeconds * 1000,
    progressRealMs: here.progressSeconds * 1000,
    uncordonAfterMs: UNCORDON_AFTER_MS,
  };
  await Promise.all(
    names.flatMap((node) => {
      const host = kubernetesNodeHost(api, node, clock, log);
      const ports = { metadata: instanceMetadata(imds.replaceAll('{node}', node)), host, hooks: httpHooks(), clock, log };
      return [host.run(signal), runAgent(ports, options, signal)];
    }),
  );
  api.close();
}
