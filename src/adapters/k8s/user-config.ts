// The user's kubeconfig: found, read, and turned into the options of an HTTPS request (certificates, tokens, exec plugins, proxies are the
// library's part).
//
// Surprise: imported by its deep path. The library's index loads the models of the whole API (0.7 s); this file and what it needs load in
// 0.16 s.

import { existsSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { delimiter, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { NerveError } from '../../engine/errors.ts';

const IN_CLUSTER = '/var/run/secrets/kubernetes.io/serviceaccount/token';

export interface Connection {
  readonly context: string;
  readonly namespace: string;
  readonly server: URL;
  options(): Promise<RequestOptions>;
}

/** Is there anything that names a cluster? Without it the library would try http://localhost:8080. */
export function kubeconfigThere(env: Readonly<Record<string, string | undefined>>): boolean {
  const named = env['KUBECONFIG'] ?? '';
  if (named !== '') return named.split(delimiter).some((file) => file !== '' && existsSync(file));
  return existsSync(join(env['HOME'] ?? '', '.kube', 'config')) || existsSync(IN_CLUSTER);
}

/** @throws NerveError `unreachable` without a kubeconfig, `usage` for a context that it does not have. */
export function connect(
  env: Readonly<Record<string, string | undefined>>,
  wanted: { readonly context: string | null; readonly namespace: (context: string) => string | null },
): Connection {
  const config = read(env);
  if (wanted.context !== null) config.setCurrentContext(wanted.context);
  const context = config.getCurrentContext();
  const known = config.getContexts().map(({ name }) => name);
  const chosen = config.getContextObject(context);
  const cluster = config.getCurrentCluster();
  if (chosen === null || cluster === null) {
    const hint = known.length === 0 ? 'It has no contexts at all.' : `Contexts: ${known.join(', ')}.`;
    throw new NerveError('usage', context ? `The kubeconfig has no context "${context}".` : 'The kubeconfig has no current context.', { hint });
  }
  return {
    context,
    namespace: wanted.namespace(context) ?? chosen.namespace ?? 'default',
    server: new URL(cluster.server),
    options: async () => {
      const options: RequestOptions = {};
      try {
        await config.applyToHTTPSOptions(options);
      } catch (cause) {
        throw new NerveError('unreachable', `The kubeconfig's credentials for context "${context}" cannot be had: ${message(cause)}`, {
          cause,
          hint: `Check them with: kubectl --context ${context} auth whoami`,
        });
      }
      return options;
    },
  };
}

function read(env: Readonly<Record<string, string | undefined>>): KubeConfig {
  if (!kubeconfigThere(env))
    throw new NerveError('unreachable', 'There is no kubeconfig.', { hint: 'Set KUBECONFIG, or write one to ~/.kube/config.' });
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (cause) {
    throw new NerveError('unreachable', `The kubeconfig cannot be read: ${message(cause)}`, { cause, hint: 'Check KUBECONFIG or ~/.kube/config.' });
  }
  return config;
}

const message = (error: unknown): string => (error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
