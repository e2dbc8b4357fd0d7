// What the chart tells the programs of the fail-safe in their environment: who they are and where. Everything that a person sets stands in
// schema.ts; these are set by the chart alone.

import { NerveError } from '../engine/errors.ts';
import type { Environment } from './load.ts';

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface FailSafePlace {
  /** The API server. */
  readonly server: URL;
  /** `token` and `ca.crt`. */
  readonly accountFolder: string;
  /** Nerve's own namespace. */
  readonly namespace: string;
  readonly workerSelector: string;
}

/** @throws NerveError `usage` naming the variable. */
export function failSafePlace(env: Environment): FailSafePlace {
  const host = needed(env, 'KUBERNETES_SERVICE_HOST');
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${env['KUBERNETES_SERVICE_PORT'] ?? '443'}`),
    accountFolder: env['NERVE_ACCOUNT_FOLDER'] ?? ACCOUNT_FOLDER,
    namespace: needed(env, 'NERVE_POD_NAMESPACE'),
    workerSelector: needed(env, 'NERVE_WORKER_SELECTOR'),
  };
}

export interface WebhookPlace {
  readonly host: string;
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
    host: env['NERVE_WEBHOOK_HOST'] ?? '::',
    port,
    tlsDir: needed(env, 'NERVE_TLS_DIR'),
    workerAccount: `system:serviceaccount:${needed(env, 'NERVE_POD_NAMESPACE')}:${needed(env, 'NERVE_WORKER_ACCOUNT')}`,
    jobNamespaces: (env['NERVE_JOB_NAMESPACES'] ?? '').split(',').flatMap((name) => name.trim() || []),
  };
}

function needed(env: Environment, name: string): string {
  const value = env[name];
  if (value === undefined || value === '') throw unfit(name, 'is not set');
  return value;
}

const unfit = (name: string, what: string): NerveError =>
  new NerveError('usage', `${name} ${what}.`, { hint: 'This command is started by the chart nerve-agent, which sets it.' });
