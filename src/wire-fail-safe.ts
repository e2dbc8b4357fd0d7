// Which adapter fills which port for the programs that keep the client from being blocked: webhook, watchdog, uninstall hooks. They run as
// pods with a service account of their own, and never with Redis.

import { randomBytes } from 'node:crypto';
import { serviceAccountApi } from './adapters/k8s/api.ts';
import { gatesOf } from './adapters/k8s/gates.ts';
import { predecessorWatch } from './adapters/k8s/predecessors.ts';
import { workerBeats } from './adapters/k8s/worker-beats.ts';
import { clockFrom } from './adapters/system/clock.ts';
import { createLog } from './adapters/system/log.ts';
import { webhookPlace, workerPlace } from './config/fail-safe.ts';
import { inCluster } from './config/in-cluster.ts';
import { environment } from './config/environment.ts';
import { logLevel } from './config/log-level.ts';
import type { Config } from './config/schema.ts';
import type { Log } from './ports.ts';
import type { Watched } from './watchdog/watch.ts';

const WALL = { realMs: 0, virtualMs: 0, speed: 1 };
/** A list of adopted pods is worth this wait before the first request; a cluster that does not answer is not. */
const SYNC_LIMIT_MS = 5000;

const logOf = (name: string): Log => createLog(name, logLevel(environment()));

function opened(log: Log) {
  const env = environment();
  const api = serviceAccountApi(inCluster(env).account);
  return { api, beats: workerBeats(api, workerPlace(env)), gates: gatesOf(api), clock: clockFrom(WALL), log };
}

/** Serves until aborted. */
export async function runWebhookPod(config: Config, version: string, signal: AbortSignal): Promise<void> {
  const { host, port, tlsDir, workerAccount, jobNamespaces } = webhookPlace(environment());
  const { api, beats, clock, log } = opened(logOf('webhook'));
  const [{ runWebhook }, { tolerationOf }] = await Promise.all([import('./webhook/run.ts'), import('./webhook/context.ts')]);
  const predecessors = predecessorWatch(api, clock, log);
  const watching = predecessors.run(signal);
  await Promise.race([predecessors.synced, clock.sleep(SYNC_LIMIT_MS, signal)]);
  const installation = { version, workerAccount, jobNamespaces, spotTolerations: config.webhook.spotTaints.map(tolerationOf) };
  const newToken = (): string => randomBytes(24).toString('base64url');
  await runWebhook({ beats, predecessors, newToken, clock, log }, { installation, host, port, tlsDir }, signal, () => undefined);
  await watching;
  api.close();
}

/** One run of the watchdog. */
export async function runWatchdogPod(signal: AbortSignal): Promise<Watched> {
  const { api, ...ports } = opened(logOf('watchdog'));
  const { watch } = await import('./watchdog/watch.ts');
  const found = await watch(ports, signal);
  ports.log.info({ ...found }, 'watched');
  api.close();
  return found;
}

/** The uninstall hooks. Never rejects: an uninstall must not fail. */
export async function runUninstallHook(drain: boolean): Promise<void> {
  // Whatever the level is set to: this must not fail.
  const log = createLog('uninstall', 'info');
  try {
    const { api, ...ports } = opened(log);
    const { releaseAll } = await import('./watchdog/uninstall.ts');
    await releaseAll(ports, { drain });
    api.close();
  } catch (error) {
    log.error({ err: error }, 'gates could not be opened; do it by hand: nerve release --all');
  }
}
