// `nerve demo`: the promise, kept in front of the newcomer's eyes. It starts the very cluster that `nerve up` starts (in a temporary
// folder), submits through the very intake that `nerve submit` uses, and plays the cloud that takes a machine back. Everything it
// tells comes from the job's record.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment } from '../config/environment.ts';
import { pathsFor } from '../config/paths.ts';
import { NerveError } from '../engine/errors.ts';
import { fold } from '../engine/fold.ts';
import type { JobRecord } from '../engine/record.ts';
import type { JobState } from '../engine/state.ts';
import { prepareSpec } from '../terminal/prepare.ts';
import { submitJob } from '../intake/submit.ts';
import { short, span } from '../terminal/when.ts';
import { chance, createFileLog, examplesDir, findRedis, type LocalCluster, type Session, sessionOn, startUp, where } from '../wire.ts';
import { demoResult, type DemoResult } from './result.ts';
import type { Frame, Screen } from './screen.ts';
import { type StoryLine, tell } from './story.ts';
import { type Beside, finalHash, findTrainer, Interrupted, startBeside, type Trainer } from './trainer.ts';

const ZONE = 'Europe/Paris';
const SPEED = 600;
/** 18:00 in Paris, a day before the deadline "tomorrow 8am". */
const START_MS = Date.parse('2026-11-24T18:00:00+01:00');
const TRAINING_SECONDS = 16;
const POLL_MS = 150;
const GIVE_UP_MS = 150_000;
/** This seed's machine vanishes without notice, and spot stays away for good. */
const DROUGHT_SEED = 'drought';

export interface DemoOptions {
  readonly seed: string;
  readonly screen: Screen;
  readonly paint: (mark: StoryLine['mark'], text: string) => string;
  readonly signal: AbortSignal;
}

/** @throws NerveError `refused` when Python or Redis is missing, before anything was started. */
export async function runDemo({ seed, screen, paint, signal }: DemoOptions): Promise<DemoResult> {
  const startedMs = performance.now();
  const { config } = where();
  const env = environment();
  await findRedis(config, pathsFor(env));
  screen.tell(paint('quiet', 'Looking at your Python and timing one training step ...'));
  const trainer = await findTrainer(examplesDir(), TRAINING_SECONDS, signal);
  if (signal.aborted) throw new Interrupted();
  const folder = mkdtempSync(join(tmpdir(), 'nerve-demo-'));
  const paths = pathsFor({ ...env, NERVE_STATE_DIR: join(folder, 'state'), NERVE_CACHE_DIR: pathsFor(env).cache });
  const log = createFileLog(paths);
  let cluster: LocalCluster | null = null;
  let beside: Beside | null = null;
  try {
    cluster = await startUp({ speed: SPEED, seed, virtualStartMs: START_MS, log, paths, config });
    const session = await sessionOn(cluster.info, { config, paths });
    try {
      beside = startBeside(trainer, join(folder, 'uninterrupted'));
      const record = await play({ seed, session, trainer, beside, screen, paint, signal });
      const last = fold(record).attempts.at(-1)?.attempt ?? 1;
      const output = readFileSync(join(paths.attemptDir(record.jobId, last), 'log'), 'utf8');
      screen.close();
      const facts = { seed, trainer: trainer.name, finalHash: finalHash(output), uninterruptedHash: await beside.hash };
      return demoResult(record, { ...facts, realSeconds: Math.round((performance.now() - startedMs) / 100) / 10 });
    } finally {
      await session.close();
    }
  } finally {
    screen.close();
    beside?.child.kill('SIGKILL');
    await cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Play {
  readonly seed: string;
  readonly session: Session;
  readonly trainer: Trainer;
  readonly beside: Beside;
  readonly screen: Screen;
  readonly paint: DemoOptions['paint'];
  readonly signal: AbortSignal;
}

/** Submits the job and follows it to its end; answers its record. */
async function play(p: Play): Promise<JobRecord> {
  const { session, screen, paint, trainer } = p;
  const { clock, queue, market, settings } = session;
  const duration = `${Math.round((TRAINING_SECONDS * SPEED) / 60)}m`;
  screen.tell(
    paint(
      'plain',
      `${paint('quiet', '$')} nerve submit --deadline "tomorrow 8am" --duration ${duration} -- ${trainer.command.map((word) => word.split('/').at(-1)).join(' ')}`,
    ),
  );
  const { spec } = await prepareSpec(session, { deadline: 'tomorrow 8am', duration, 'time-zone': ZONE }, trainer.command, null);
  await session.keepEnvironment(spec.id);
  const offer = await submitJob({ records: queue.records, alarms: queue.alarms, clock }, spec, await market.view(), settings);
  if (!offer.feasible) throw new NerveError('fatal', 'The demo job is not feasible: this machine is too slow for it.');
  const format = { clock: (ms: number) => short(ms, ms, ZONE), span, speed: SPEED };
  const sparks = { prices: [] as number[], grid: [] as number[] };
  const untilMs = performance.now() + GIVE_UP_MS;
  let told = 0;
  let disturbed = false;
  for (;;) {
    if (p.signal.aborted) throw new Interrupted();
    if (performance.now() > untilMs)
      throw new NerveError('fatal', 'The demo took too long on this machine.', { hint: 'Try again when the machine is less busy.' });
    const record = await queue.records.read(spec.id);
    if (record === null) throw new NerveError('fatal', 'The record of the demo job is gone.');
    for (const line of tell(record.events, told, format)) screen.tell(`${format.clock(line.atMs)}  ${paint(line.mark, line.text)}`);
    told = record.events.length;
    const state = fold(record);
    if (state.finished !== null) return record;
    const { step, onSpot } = await progressOf(session, spec.id);
    // On demand is not taken back.
    if (!disturbed && onSpot && step !== null && step >= disturbAt(p.seed, trainer.steps)) {
      disturbed = true;
      await session.cloud.disturb({ jobId: spec.id, kind: p.seed === DROUGHT_SEED ? 'drought' : 'notice' });
    }
    screen.draw(await frame(p, state, step, sparks));
    await clock.sleep(POLL_MS, p.signal);
  }
}

/** A third to two thirds into the training; the drought strikes early, before anything was sealed. */
function disturbAt(seed: string, steps: number): number {
  return Math.round(steps * (seed === DROUGHT_SEED ? 0.04 : 0.35 + 0.3 * chance(seed, 'interruption')));
}

async function progressOf({ cloud }: Session, jobId: string): Promise<{ step: number | null; onSpot: boolean }> {
  const running = (await cloud.attempts({ jobId })).filter((a) => a.endedAtMs === null).at(-1);
  return { step: running?.progress?.step ?? null, onSpot: running?.capacityType === 'spot' };
}

async function frame(
  { session, trainer, beside }: Play,
  state: JobState,
  step: number | null,
  sparks: { prices: number[]; grid: number[] },
): Promise<Frame> {
  const nowMs = session.clock.nowMs();
  const view = await session.market.view();
  const best = Math.min(
    ...view.offerings
      .filter((o) => o.capacityType === 'spot' && o.available && state.spec.instanceTypes.includes(o.instanceType))
      .map((o) => o.priceUsdPerHour),
  );
  sparks.prices.push(best);
  sparks.grid.push(view.carbon.gramsPerKwh);
  const newest = state.attempts.at(-1);
  const place = newest === undefined ? '' : ` on ${newest.capacityType} in ${newest.zone}`;
  const steps = beside.step();
  return {
    clock: short(nowMs, nowMs, ZONE),
    state: state.phase === 'held' ? heldText(state, nowMs) : `${state.phase}${place}${step === null ? '' : `, step ${step} of ${trainer.steps}`}`,
    done:
      state.phase === 'held' && state.attempts.length === 0 ? fractionHeld(state, nowMs) : (step ?? state.lastCheckpoint?.step ?? 0) / trainer.steps,
    priceUsdPerHour: thin(sparks.prices),
    gramsPerKwh: thin(sparks.grid),
    beside: `the same training, uninterrupted, for the proof: ${beside.child.exitCode === null ? `step ${steps} of ${trainer.steps}` : 'done'}`,
  };
}

/** One value a virtual hour quarter or so: the sparkline shows the evening, not the last second. */
const thin = (values: readonly number[]): readonly number[] => values.filter((_, i) => i % 10 === 0 || i === values.length - 1);

function heldText(state: JobState, nowMs: number): string {
  const plan = state.plan;
  if (plan === null) return 'held';
  return state.heldWhy === 'window'
    ? `held until about ${short(plan.startMs, nowMs, ZONE)}`
    : `held: no spot capacity; on demand at ${short(plan.latestStartMs, nowMs, ZONE)} at the latest`;
}

function fractionHeld(state: JobState, nowMs: number): number | null {
  const startMs = state.plan?.startMs;
  return startMs === undefined ? null : (nowMs - state.spec.submittedAtMs) / Math.max(1, startMs - state.spec.submittedAtMs);
}
