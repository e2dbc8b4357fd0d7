// What the chart tells the programs of a cluster through their environment: who they are, where files are mounted. Not in the schema of
// nerve.yaml, because nobody writes these by hand.

import { NerveError } from '../engine/errors.ts';
import type { Environment } from './environment.ts';

/** EC2's own instance metadata, for the host's network. */
export const EC2_METADATA = 'http://169.254.169.254';

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
const DIALECTS = ['auto', 'karpenter', 'eks', 'labels'] as const;

export interface InCluster {
  readonly account: { readonly host: string; readonly port: number; readonly folder: string };
  readonly podName: string | null;
  readonly podNamespace: string | null;
  readonly nodeName: string | null;
  readonly dialect: (typeof DIALECTS)[number];
  readonly priceFile: string | null;
  readonly attemptKeyFile: string | null;
  readonly region: string;
  /** Real seconds; the defaults are those of DESIGN section 5. */
  readonly sweepSeconds: number;
  readonly agentPollSeconds: number;
  readonly progressSeconds: number;
  readonly noticeSeconds: number;
  readonly redisGraceSeconds: number;
  /** Null: not told, so everywhere. */
  readonly jobNamespaces: readonly string[] | null;
  /** Null: metrics are not served. */
  readonly metricsPort: number | null;
  /** The hour of "at most two moves an hour"; another length only for tests, which have no hour. */
  readonly moveWindowSeconds: number;
}

/** @throws NerveError `usage` when it does not run in a cluster, or a value cannot be read. */
export function inCluster(env: Environment): InCluster {
  const host = env['KUBERNETES_SERVICE_HOST'];
  if (host === undefined || host === '') {
    throw new NerveError('usage', 'This program works inside a cluster, and KUBERNETES_SERVICE_HOST is not set.', {
      hint: 'Install it with the chart, or start "nerve up" for this machine.',
    });
  }
  const dialect = DIALECTS.find((name) => name === (env['NERVE_NODE_DIALECT'] ?? 'auto'));
  if (dialect === undefined)
    throw new NerveError('usage', `NERVE_NODE_DIALECT is none of ${DIALECTS.join(', ')}.`, { hint: 'Correct the chart value nodeDialect.' });
  const seconds = (name: string, fallback: number): number => {
    const value = Number(env[name] ?? fallback);
    if (!(value > 0)) throw new NerveError('usage', `${name} is no number of seconds.`, { hint: 'Write it like 30.' });
    return value;
  };
  return {
    account: { host, port: Number(env['KUBERNETES_SERVICE_PORT'] ?? 443), folder: env['NERVE_ACCOUNT_FOLDER'] ?? ACCOUNT_FOLDER },
    podName: env['NERVE_POD_NAME'] ?? null,
    podNamespace: env['NERVE_POD_NAMESPACE'] ?? null,
    nodeName: env['NERVE_NODE_NAME'] ?? null,
    dialect,
    priceFile: env['NERVE_PRICE_FILE'] ?? null,
    attemptKeyFile: env['NERVE_ATTEMPT_KEY_FILE'] ?? null,
    region: env['NERVE_REGION'] ?? 'unknown',
    sweepSeconds: seconds('NERVE_SWEEP_SECONDS', 30),
    agentPollSeconds: seconds('NERVE_AGENT_POLL_SECONDS', 2),
    progressSeconds: seconds('NERVE_PROGRESS_SECONDS', 30),
    noticeSeconds: seconds('NERVE_NOTICE_SECONDS', 120),
    redisGraceSeconds: seconds('NERVE_REDIS_GRACE_SECONDS', 600),
    jobNamespaces: env['NERVE_JOB_NAMESPACES']?.split(',').flatMap((name) => name.trim() || []) ?? null,
    metricsPort: portOf(env, 'NERVE_METRICS_PORT'),
    moveWindowSeconds: seconds('NERVE_MOVE_WINDOW_SECONDS', 3600),
  };
}

/** Where neither a flag nor the pod says it. */
export function noNode(): never {
  throw new NerveError('usage', 'The agent is not told which node it is on.', { hint: 'Give --node NAME, or set NERVE_NODE_NAME.' });
}

function portOf(env: Environment, name: string): number | null {
  const text = env[name] ?? '';
  if (text === '') return null;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new NerveError('usage', `${name} is no port.`, { hint: 'Correct the chart value serviceMonitor.port.' });
}
