// What must hold in every run. What can break with an append is checked at that append; what is a statement about the whole run, at
// its end. Two attempts computing at once is seen by the cluster itself, at the instant it happens.

import { fold } from '../../../src/engine/fold.ts';
import { limitBreaks } from '../../../src/engine/moves.ts';
import type { JobEvent, JobRecord } from '../../../src/engine/record.ts';
import { latestStartMs } from '../../../src/engine/slack.ts';
import type { JobState } from '../../../src/engine/state.ts';
import { HOUR, MINUTE } from '../build.ts';
import { ZONES } from './market.ts';
import { type JobPlan, settings } from './scenario.ts';
import type { World } from './world.ts';

/** After each append: the record is legal, and no move broke the limit while there was slack. */
export function onAppend(world: World, record: JobRecord | null, added: number): void {
  if (record === null) {
    world.violation('an appended record cannot be read');
    return;
  }
  let before: JobState | null = null;
  try {
    for (let n = record.events.length - added; n <= record.events.length; n++) {
      if (n < 1) continue;
      const state = fold({ ...record, events: record.events.slice(0, n) });
      if (before !== null) checkMove(world, record, { before, after: state, event: record.events[n - 1] });
      before = state;
    }
  } catch (error) {
    world.violation(`${record.jobId}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface Step {
  readonly before: JobState;
  readonly after: JobState;
  readonly event: JobEvent | undefined;
}

function checkMove(world: World, record: JobRecord, { before, after, event }: Step): void {
  if (event === undefined || (event.type !== 'launched' && event.type !== 'placed')) return;
  if (limitBreaks(after.moves, settings) <= limitBreaks(before.moves, settings)) return;
  // What counts is what was known when it was launched; where it was placed is told later, and more is known by then.
  const index = record.events.findIndex((e) => e.type === 'launched' && e.attempt === event.attempt);
  const launching = fold({ ...record, events: record.events.slice(0, index) });
  if ((record.events[index]?.atMs ?? event.atMs) >= latestStartMs(launching, settings)) return;
  world.violation(`${before.spec.id}: attempt ${event.attempt} (${event.type}) is a third move in the hour, with slack left`);
}

export async function atTheEnd(world: World): Promise<void> {
  for (const job of world.scenario.jobs) {
    const record = await world.records.read(job.spec.id);
    if (record === null) {
      world.violation(`${job.spec.id} was acknowledged and is lost`);
      continue;
    }
    try {
      const state = fold(record);
      if (checkEnd(world, job, record, state)) {
        checkDeadline(world, job, record, state);
        checkLedger(world, record);
      }
    } catch {
      // Said when it was appended.
    }
  }
  const left = world.cluster.pods();
  if (left.length > 0) world.violation(`objects left behind: ${left.map((p) => p.name).join(', ')}`);
  const live = await world.records.live();
  if (live.length > 0) world.violation(`still live: ${live.join(', ')}`);
}

/** Ended once, kept, and with the right result. False when the rest makes no sense. */
function checkEnd(world: World, job: JobPlan, record: JobRecord, state: JobState): boolean {
  const { id } = job.spec;
  const { finished } = state;
  if (finished === null || !world.reports.has(id)) {
    world.violation(`${id} never ended (${state.phase}, ${state.heldReason ?? ''})`);
    return false;
  }
  if (record.events.filter((e) => e.type === 'finished').length !== 1) world.violation(`${id} ended more than once`);
  const completedAtMs = world.cluster.completedAtMs(id);
  if ((finished.result === 'succeeded') !== (completedAtMs !== null) && !state.cancelRequested) {
    world.violation(`${id} is ${finished.result}, but its work was ${completedAtMs === null ? 'not ' : ''}completed`);
  }
  if (finished.result === 'failed' && world.cluster.ownFailures(id) <= job.spec.retries) world.violation(`${id} failed without using up its retries`);
  if (finished.result === 'cancelled' && !state.cancelRequested && job.deletedAtMs === null) world.violation(`${id} was cancelled by nobody`);
  return true;
}

/** Never late when on demand could have prevented it. */
function checkDeadline(world: World, job: JobPlan, record: JobRecord, state: JobState): void {
  const { id, workMs, maxPriceUsdPerHour } = job.spec;
  const completedAtMs = world.cluster.completedAtMs(id);
  if (state.finished?.result !== 'succeeded' || completedAtMs === null || completedAtMs <= state.deadlineMs) return;
  const users = record.events.some((e) => e.type === 'amended' || e.type === 'paused');
  const never = world.feasible.get(id) !== true || maxPriceUsdPerHour !== null || job.nature.workMs > workMs;
  if (users || never || world.cluster.ownFailures(id) > 0 || world.scenario.cloud.onDemandLifeMs !== null) return;
  const lateMs = completedAtMs - state.deadlineMs;
  const excusedMs = world.excusedMs + onDemandAwayMs(world, job);
  if (lateMs <= excusedMs) return;
  world.violation(
    `${id} ended ${(lateMs / MINUTE).toFixed(1)} min late, and no more than ${(excusedMs / MINUTE).toFixed(1)} min of that were out of reach (${world.scenario.weather})`,
  );
}

/** How long no acceptable zone had on-demand capacity between submit and deadline, each drought with one more time-out of an ask. */
function onDemandAwayMs(world: World, job: JobPlan): number {
  const zones = job.spec.zones ?? ZONES;
  let awayMs = 0;
  let away = false;
  for (let atMs = job.spec.submittedAtMs; atMs < job.spec.deadlineMs; atMs += 10_000) {
    const none = zones.every((zone) => !world.market.has(zone, 'on-demand', atMs));
    if (none) awayMs += 10_000 + (away ? 0 : settings.placementTimeoutMs + settings.sweepMs);
    away = none;
  }
  return awayMs;
}

/** What the record says was billed is what ran; and the kept report adds its events up. */
function checkLedger(world: World, record: JobRecord): void {
  const toleranceMs = 5 + 2 * Math.max(0, ...world.scenario.clockErrors.map((e) => Math.abs(e.errorMs)));
  const billed = world.cluster.billed.filter((b) => b.jobId === record.jobId);
  let recountUsd = 0;
  for (const event of record.events) {
    if (event.type !== 'ended') continue;
    const recordedMs = event.usage.reduce((sum, s) => sum + s.toMs - s.fromMs, 0);
    for (const s of event.usage) recountUsd += ((s.toMs - s.fromMs) / HOUR) * s.priceUsdPerHour;
    const ran = billed.filter((b) => b.name.endsWith(`-a${event.attempt}`));
    const ranMs = ran.reduce((sum, b) => sum + b.toMs - b.fromMs, 0);
    if (ran.some((b) => b.objectLost)) continue;
    if (Math.abs(ranMs - recordedMs) > toleranceMs) {
      world.violation(`${record.jobId}: attempt ${event.attempt} ran ${ranMs} ms and was recorded with ${recordedMs} ms`);
    }
  }
  const recorded = new Set(record.events.flatMap((e) => (e.type === 'ended' ? [`-a${e.attempt}`] : [])));
  for (const b of billed) {
    if (!recorded.has(b.name.slice(b.name.lastIndexOf('-a')))) world.violation(`${b.name} ran ${b.toMs - b.fromMs} ms that no record has`);
  }
  const reportedUsd = world.reports.get(record.jobId)?.costUsd ?? Number.NaN;
  if (!(Math.abs(reportedUsd - recountUsd) < 1e-9)) world.violation(`${record.jobId}: the report says ${reportedUsd} USD, its events ${recountUsd}`);
}
