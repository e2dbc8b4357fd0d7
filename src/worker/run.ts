// The worker's loops around `look`: alarms, the cluster's watch, the market tick and the sweep. The last two are done by the
// leader only, to save work; if two did them at once, nothing but work would be lost.

import type { JobId, JobSpec } from '../engine/job.ts';
import { outlook } from '../engine/objective.ts';
import type { EngineSettings, MarketView } from '../engine/snapshot.ts';
import type { JobState } from '../engine/state.ts';
import { look, type WorkerPorts } from './handle.ts';

export interface WorkerOptions {
  readonly settings: EngineSettings;
  readonly sweepRealMs: number;
  readonly marketTickRealMs: number;
  /** Told the outcome of each look at a job that goes on; in a cluster the job's pod is brought up to date. */
  readonly looked?: (jobId: JobId, state: JobState | null) => void;
}

/** Held jobs as last seen, so that a market tick is one comparison a job. A stale entry costs money, never a deadline. */
type Held = Map<JobId, { readonly kind: Kind; readonly wakeAtOrBelowUsdPerHour: number }>;
/** What the market is asked about a job: thousands of held jobs are of few kinds. */
type Kind = Pick<JobSpec, 'zones' | 'instanceTypes' | 'carbonPriceUsdPerTonne' | 'maxPriceUsdPerHour'>;
const MOST_KINDS = 1000;

/** Runs until `signal` aborts. No error of a port ends it. */
export async function runWorker(ports: WorkerPorts, options: WorkerOptions, signal: AbortSignal): Promise<void> {
  const held: Held = new Map();
  const kinds = new Map<string, Kind>();
  const known = new Set<JobId>();
  const handle = async (jobId: JobId): Promise<number | null> => {
    const { wakeAtMs, state } = await look(ports, options.settings, jobId);
    known.add(jobId);
    remember(held, kinds, jobId, state);
    if (wakeAtMs !== null) options.looked?.(jobId, state);
    return wakeAtMs;
  };
  const { alarms, cluster, log } = ports;
  await Promise.all([
    alarms.run(handle, signal),
    patiently(ports, signal, 'watching the cluster', () =>
      cluster.watch((jobIds) => {
        for (const jobId of jobIds)
          alarms.wake(jobId).catch((error: unknown) => log.warn({ jobId, error: text(error) }, 'a wake was lost; the sweep makes up for it'));
      }, signal),
    ),
    everyTick(ports, signal, options.marketTickRealMs, 'the market tick', () => marketTick(ports, held, known)),
    everyTick(ports, signal, options.sweepRealMs, 'the sweep', () => sweep(ports, handle)),
  ]);
}

function remember(held: Held, kinds: Map<string, Kind>, jobId: JobId, state: JobState | null): void {
  const threshold = state?.phase === 'held' && !state.pausedByUser ? (state.plan?.wakeAtOrBelowUsdPerHour ?? null) : null;
  if (state === null || threshold === null) held.delete(jobId);
  else held.set(jobId, { kind: kindOf(state.spec, kinds), wakeAtOrBelowUsdPerHour: threshold });
}

/** The one object that stands for all jobs of this kind. */
function kindOf({ zones, instanceTypes, carbonPriceUsdPerTonne, maxPriceUsdPerHour }: JobSpec, kinds: Map<string, Kind>): Kind {
  const kind = { zones, instanceTypes, carbonPriceUsdPerTonne, maxPriceUsdPerHour };
  const key = JSON.stringify(kind);
  const known = kinds.get(key);
  if (known !== undefined) return known;
  if (kinds.size >= MOST_KINDS) kinds.clear();
  kinds.set(key, kind);
  return kind;
}

/** Wakes held jobs whose threshold the market has crossed. */
async function marketTick({ alarms, market, clock, records }: WorkerPorts, held: Held, known: Set<JobId>): Promise<void> {
  const view = await market.view();
  for (const [jobId, job] of held) if (crossed(view, clock.nowMs(), job)) await alarms.wake(jobId);
  // Jobs that another worker handled last: looking once makes them known here.
  const strangers = (await records.live()).filter((jobId) => !known.has(jobId)).slice(0, STRANGERS_A_TICK);
  for (const jobId of strangers) {
    known.add(jobId);
    await alarms.wake(jobId);
  }
}

const STRANGERS_A_TICK = 200;

function crossed(view: MarketView, nowMs: number, job: Held extends Map<JobId, infer V> ? V : never): boolean {
  const best = outlook(view, nowMs, job.kind).spotNow[0];
  return best !== undefined && best.objectiveUsdPerHour <= job.wakeAtOrBelowUsdPerHour;
}

/** Compares records with alarms both ways, and objects with records: whatever a crash left behind is found here. */
async function sweep({ records, alarms, cluster, clock, log }: WorkerPorts, handle: (jobId: JobId) => Promise<number | null>): Promise<void> {
  const live = new Set(await records.live());
  const armed = await alarms.armed();
  for (const jobId of live) {
    if (armed.has(jobId)) continue;
    log.warn({ jobId }, 'a live job had no alarm; armed again');
    await alarms.arm(jobId, clock.nowMs());
  }
  for (const jobId of armed.keys()) if (!live.has(jobId)) await alarms.wake(jobId);
  // Objects of jobs that are not live: left by a worker that was paused and acted late.
  const strays = new Set((await cluster.attempts()).map((a) => a.jobId).filter((jobId) => !live.has(jobId)));
  for (const jobId of strays) {
    if ((await records.read(jobId)) !== null) await handle(jobId);
  }
}

async function everyTick(ports: WorkerPorts, signal: AbortSignal, periodRealMs: number, what: string, tick: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      if ((await ports.leadership.lead()) !== null) await tick();
    } catch (error) {
      ports.log.warn({ error: text(error) }, `${what} failed; trying again at the next one`);
    }
    await ports.clock.sleep(periodRealMs, signal);
  }
}

/** Keeps a long call going: when it ends or fails it is made again, more slowly each time it fails at once. */
async function patiently({ clock, log }: WorkerPorts, signal: AbortSignal, what: string, call: () => Promise<void>): Promise<void> {
  let pauseRealMs = 100;
  while (!signal.aborted) {
    const sinceMs = clock.realNowMs();
    await call().catch((error: unknown) => log.warn({ error: text(error) }, `${what} failed; trying again`));
    pauseRealMs = clock.realNowMs() - sinceMs > 5000 ? 100 : Math.min(pauseRealMs * 2, 5000);
    if (!signal.aborted) await clock.sleep(pauseRealMs, signal);
  }
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
