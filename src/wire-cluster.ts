// The part of wire that runs the worker in a cluster. Apart from wire.ts, so that a process in a cluster loads nothing of the local cloud, nor
// the Kubernetes client library. The agent's is wire-agent.ts.

import { readFileSync } from 'node:fs';
import { serviceAccountApi } from './adapters/k8s/api.ts';
import { createRegistry } from './adapters/metrics/registry.ts';
import { serveMetrics } from './adapters/metrics/server.ts';
import { clockFrom } from './adapters/system/clock.ts';
import { createLog } from './adapters/system/log.ts';
import { type InCluster, inCluster } from './config/in-cluster.ts';
import { environment } from './config/environment.ts';
import { logLevel } from './config/log-level.ts';
import { engineSettings } from './config/timing.ts';
import type { Config } from './config/schema.ts';
import { NerveError } from './engine/errors.ts';
import { gaugesOf, type Sample } from './engine/metrics.ts';
import { POD } from './engine/pod/names.ts';
import { shownState } from './engine/pod/shown.ts';
import type { EngineSettings } from './engine/snapshot.ts';
import type { Arrivals, Clock, Leadership, Market } from './ports.ts';
import type { RecordsWithHistory } from './queue/records.ts';

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
export async function runClusterWorker(config: Config, version: string, signal: AbortSignal): Promise<void> {
  const here = inCluster(environment());
  const { url } = config.redis;
  if (url === null) throw new NerveError('usage', 'The worker needs a Redis.', { hint: 'Set NERVE_REDIS_URL; the chart does.' });
  if (here.attemptKeyFile === null) throw new NerveError('usage', 'NERVE_ATTEMPT_KEY_FILE is not set.', { hint: 'The chart sets it.' });
  const secret = readFileSync(here.attemptKeyFile);
  const clock = wallClock();
  const log = createLog('worker', logLevel(environment()));
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
  const queue = await openQueue({ target: { url }, patience: 'wait', clock, log, signal }).catch((error: unknown) => {
    if (signal.aborted) return null;
    throw error;
  });
  if (queue === null) return;
  const { records, alarms } = queue;
  const metrics = createRegistry(log);
  let epoch: number | null = null;
  const leadership: Leadership = { lead: async () => (epoch = await queue.leadership.lead()), resign: () => queue.leadership.resign() };
  const vault = queue.vault(secret, metrics);
  const settings = settingsOf(config, here);
  const { placementTimeoutMs } = settings;
  const market = kubernetesMarket({ prices, ledger: follow.ledger, clock, placementTimeoutMs, region: here.region });
  const cluster = kubernetesCluster({ api, follow, vault, dialect: here.dialect, clock, log, metrics });
  const arrivals = kubernetesArrivals(api, follow, clock);
  const ports = { records, alarms, leadership, cluster, market, clock, log, metrics };
  const adoption = createAdoption(
    {
      ...ports,
      arrivals,
      vault,
      medianDurationMs: (name) => records.medianDurationMs(name),
      beat: beatOf(here, (path, body) => api.call({ method: 'PATCH', path, type: 'application/merge-patch+json', body })),
    },
    {
      settings,
      periodRealMs: ADOPT_PERIOD_REAL_MS,
      beatRealMs: BEAT_REAL_MS,
      redisGraceMs: here.redisGraceSeconds * 1000,
      jobNamespaces: here.jobNamespaces,
      defaults: config.job,
    },
  );
  const options = { settings, sweepRealMs: settings.sweepMs, marketTickRealMs: MARKET_TICK_REAL_MS, looked: adoption.looked };
  const page = async (): Promise<string> => {
    const own: Sample[] = [
      { name: 'nerve_build_info', labels: { version }, value: 1 },
      { name: 'nerve_leader', value: epoch === null ? 0 : 1 },
    ];
    return metrics.page(epoch === null ? own : [...own, ...(await seenBy({ arrivals, market, records, clock }))]);
  };
  const served = here.metricsPort === null ? null : await serveMetrics(here.metricsPort, page, log);
  await Promise.all([follow.run(signal), runWorker(ports, options, signal), adoption.run(signal)]);
  served?.close();
  await leadership.resign().catch(() => undefined);
  await queue.close();
  api.close();
}

interface Looked {
  readonly arrivals: Arrivals;
  readonly market: Market;
  readonly records: Pick<RecordsWithHistory, 'saved'>;
  readonly clock: Clock;
}

/** Gauges of the whole installation: jobs as their pods say, which costs Redis nothing. Without Redis the savings are left out. */
async function seenBy({ arrivals, market, records, clock }: Looked): Promise<readonly Sample[]> {
  const [jobs, view, saved] = await Promise.all([arrivals.jobs(), market.view(), records.saved().catch(() => null)]);
  const phases = jobs.map(({ pod }) => shownState(pod, clock.nowMs()) ?? 'held');
  return gaugesOf({ nowMs: clock.nowMs(), phases, market: view, saved });
}

async function readPrices(file: string) {
  const { parsePrices } = await import('./adapters/k8s/prices.ts');
  return parsePrices(readFileSync(file, 'utf8'), file);
}

/** The counter grows from the clock, so that a restarted worker never repeats a value; also where the clock is set back. */
function beatOf({ podName, podNamespace }: InCluster, patch: (path: string, body: unknown) => Promise<unknown>): (() => Promise<void>) | null {
  if (podName === null || podNamespace === null) return null;
  const path = `/api/v1/namespaces/${podNamespace}/pods/${podName}`;
  let counter = 0;
  return async () => {
    counter = Math.max(counter + 1, Math.floor(Date.now() / 1000));
    await patch(path, { metadata: { annotations: { [POD.beat]: String(counter) } } });
  };
}
