// The part of wire that runs the worker in a cluster. Apart from wire.ts, so that a process in a cluster loads nothing of the local cloud, nor
// the Kubernetes client library. The agent's is wire-agent.ts.

import { readFileSync } from 'node:fs';
import { serviceAccountApi } from './adapters/k8s/api.ts';
import { clockFrom } from './adapters/system/clock.ts';
import { createLog } from './adapters/system/log.ts';
import { type InCluster, inCluster } from './config/in-cluster.ts';
import { environment } from './config/environment.ts';
import { engineSettings } from './config/timing.ts';
import type { Config } from './config/schema.ts';
import { NerveError } from './engine/errors.ts';
import { POD } from './engine/pod/names.ts';
import type { EngineSettings } from './engine/snapshot.ts';

const BEAT_REAL_MS = 20_000;
const ADOPT_PERIOD_REAL_MS = 5000;
const MARKET_TICK_REAL_MS = 30_000;

const wallClock = () => clockFrom({ realMs: 0, virtualMs: 0, speed: 1 });

function settingsOf(config: Config, here: InCluster): EngineSettings {
  return {
    ...engineSettings(config, 1),
    sweepMs: here.sweepSeconds * 1000,
    noticeMs: here.noticeSeconds * 1000,
    moveWindowMs: here.moveWindowSeconds * 1000,
  };
}

/** The worker of a cluster; runs until aborted. */
export async function runClusterWorker(config: Config, signal: AbortSignal): Promise<void> {
  const here = inCluster(environment());
  const { url } = config.redis;
  if (url === null) throw new NerveError('usage', 'The worker needs a Redis.', { hint: 'Set NERVE_REDIS_URL; the chart does.' });
  if (here.attemptKeyFile === null) throw new NerveError('usage', 'NERVE_ATTEMPT_KEY_FILE is not set.', { hint: 'The chart sets it.' });
  const secret = readFileSync(here.attemptKeyFile);
  const clock = wallClock();
  const log = createLog('worker');
  const [{ openQueue }, { followCluster }, { kubernetesCluster }, { kubernetesMarket }, { kubernetesArrivals }, { runWorker }, { createAdoption }] =
    await Promise.all([
      import('./queue/open.ts'),
      import('./adapters/k8s/follow.ts'),
      import('./adapters/k8s/cluster.ts'),
      import('./adapters/k8s/market.ts'),
      import('./adapters/k8s/arrivals.ts'),
      import('./worker/run.ts'),
      import('./worker/adopt.ts'),
    ]);
  const prices = here.priceFile === null ? null : await readPrices(here.priceFile);
  const api = serviceAccountApi(here.account);
  const follow = followCluster(api, clock, log);
  const queue = await openQueue({ target: { url }, patience: 'wait', clock, log });
  const { records, alarms, leadership } = queue;
  const vault = queue.vault(secret);
  const settings = settingsOf(config, here);
  const { placementTimeoutMs } = settings;
  const market = kubernetesMarket({ prices, ledger: follow.ledger, clock, placementTimeoutMs, region: here.region });
  const cluster = kubernetesCluster({ api, follow, vault, dialect: here.dialect, clock, log });
  const ports = { records, alarms, leadership, cluster, market, clock, log };
  const adoption = createAdoption(
    {
      ...ports,
      arrivals: kubernetesArrivals(api, follow, clock),
      vault,
      medianDurationMs: (name) => records.medianDurationMs(name),
      beat: beatOf(here, (path, body) => api.call({ method: 'PATCH', path, type: 'application/merge-patch+json', body })),
    },
    {
      settings,
      periodRealMs: ADOPT_PERIOD_REAL_MS,
      beatRealMs: BEAT_REAL_MS,
      redisGraceMs: here.redisGraceSeconds * 1000,
      defaults: config.job,
    },
  );
  const options = { settings, sweepRealMs: settings.sweepMs, marketTickRealMs: MARKET_TICK_REAL_MS, looked: adoption.looked };
  await Promise.all([follow.run(signal), runWorker(ports, options, signal), adoption.run(signal)]);
  await leadership.resign().catch(() => undefined);
  await queue.close();
  api.close();
}

async function readPrices(file: string) {
  const { parsePrices } = await import('./adapters/k8s/prices.ts');
  return parsePrices(readFileSync(file, 'utf8'), file);
}

/** The counter grows from the clock, so that a restarted worker never repeats a value. */
function beatOf({ podName, podNamespace }: InCluster, patch: (path: string, body: unknown) => Promise<unknown>): (() => Promise<void>) | null {
  if (podName === null || podNamespace === null) return null;
  const path = `/api/v1/namespaces/${podNamespace}/pods/${podName}`;
  return async () => void (await patch(path, { metadata: { annotations: { [POD.beat]: String(Math.floor(Date.now() / 1000)) } } }));
}
