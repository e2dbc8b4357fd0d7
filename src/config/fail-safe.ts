// What the chart tells the programs of the fail-safe in their environment, beside what in-cluster.ts reads for all.

import { NerveError } from '../engine/errors.ts';
import { inCluster } from './in-cluster.ts';
import type { Environment } from './environment.ts';

/** The pods whose beat says that Nerve is alive. */
export interface WorkerPlace {
  readonly namespace: string;
  readonly labelSelector: string;
}

/** @throws NerveError `usage` naming the variable. */
export function workerPlace(env: Environment): WorkerPlace {
  return { namespace: ownNamespace(env), labelSelector: needed(env, 'NERVE_WORKER_SELECTOR') };
}

export interface WebhookPlace {
  /** Null: every address, of whichever families there are. */
  readonly host: string | null;
  readonly port: number;
  readonly tlsDir: string;
  /** As admission requests name it. */
  readonly workerAccount: string;
  readonly jobNamespaces: readonly string[];
}

/** @throws NerveError `usage` naming the variable. */
export function webhookPlace(env: Environment): WebhookPlace {
  const port = Number(env['NERVE_WEBHOOK_PORT'] ?? '8443');
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw unfit('NERVE_WEBHOOK_PORT', 'is no port');
  return {
    host: env['NERVE_WEBHOOK_HOST'] ?? null,
    port,
    tlsDir: needed(env, 'NERVE_TLS_DIR'),
    workerAccount: `system:serviceaccount:${ownNamespace(env)}:${needed(env, 'NERVE_WORKER_ACCOUNT')}`,
    jobNamespaces: (env['NERVE_JOB_NAMESPACES'] ?? '').split(',').flatMap((name) => name.trim() || []),
  };
}

function ownNamespace(env: Environment): string {
  const { podNamespace } = inCluster(env);
  if (podNamespace === null || podNamespace === '') throw unfit('NERVE_POD_NAMESPACE', 'is not set');
  return podNamespace;
}

function needed(env: Environment, name: string): string {
  const value = env[name];
  if (value === undefined || value === '') throw unfit(name, 'is not set');
  return value;
}

const unfit = (name: string, what: string): NerveError =>
  new NerveError('usage', `${name} ${what}.`, { hint: 'This command is started by the chart nerve-agent, which sets it.' });
