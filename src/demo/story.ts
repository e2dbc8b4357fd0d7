// Turns the events of one job's record into the sentences that `nerve demo` tells. Pure: the same events give the
// same story, so what is told is what happened.

import type { JobSpec } from '../engine/job.ts';
import type { JobEvent } from '../engine/record.ts';
import { usd } from '../terminal/figures.ts';

/** One line of the story; `mark` picks its colour. */
export interface StoryLine {
  readonly atMs: number;
  readonly mark: 'plain' | 'good' | 'warn' | 'quiet';
  readonly text: string;
}

export interface StoryFormat {
  /** `22:04`, in the user's zone. */
  readonly clock: (ms: number) => string;
  /** `3 h 10 min`. */
  readonly span: (ms: number) => string;
  /** How many times as fast as the wall clock the record's clock runs: real lengths are shown beside virtual instants. */
  readonly speed: number;
}

const usdPerHour = (value: number | null): string => `${usd(value)}/h`;

/** The sentences for the events from index `from` on; `events` is the whole record so far. */
export function tell(events: readonly JobEvent[], from: number, format: StoryFormat): readonly StoryLine[] {
  return events.slice(from).flatMap((event, offset) => {
    const line = sentence(events.slice(0, from + offset), event, format);
    return line === null ? [] : [{ atMs: event.atMs, ...line }];
  });
}

type Sentence = Omit<StoryLine, 'atMs'> | null;

function sentence(before: readonly JobEvent[], event: JobEvent, format: StoryFormat): Sentence {
  switch (event.type) {
    case 'submitted':
      return plain(
        `You submit a training run: about ${format.span(event.spec.workMs)} of work, due ${format.clock(event.spec.deadlineMs)} tomorrow. Latest start ${format.clock(event.latestStartMs)}.`,
      );
    case 'planned':
      return planned(before, event, format);
    case 'launched':
      return launched(before, event);
    case 'resumed':
      return event.checkpointId === null
        ? plain('The training process runs.')
        : { mark: 'good', text: `Resumed from the sealed checkpoint at step ${event.step}, exactly there.` };
    case 'noticed':
      return {
        mark: 'warn',
        text: `INTERRUPTION NOTICE: the cloud takes this machine back in ${format.span((event.endsAtMs - event.atMs) / format.speed)} (at ${format.clock(event.endsAtMs)} on this fast clock). Checkpointing at once.`,
      };
    case 'checkpointed':
      return event.checkpoint.final
        ? {
            mark: 'good',
            text: `Checkpoint sealed at step ${event.checkpoint.step} (${kilobytes(event.checkpoint.bytes)} in ${event.checkpoint.durationMs.toFixed(0)} ms).`,
          }
        : null;
    case 'ended':
      return ended(event, format);
    case 'finished':
      return {
        mark: event.result === 'succeeded' && !event.late ? 'good' : 'warn',
        text: `The job has ${event.result}${event.late ? ', after its deadline' : `, ${format.span(deadlineOf(before) - event.atMs)} before its deadline`}.`,
      };
    case 'placed':
    case 'amended':
    case 'paused':
    case 'unpaused':
    case 'release-requested':
    case 'move-requested':
    case 'cancel-requested':
    case 'stop-requested':
      return null;
  }
}

const plain = (text: string): Sentence => ({ mark: 'plain', text });
const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;

function planned(before: readonly JobEvent[], event: Extract<JobEvent, { type: 'planned' }>, format: StoryFormat): Sentence {
  const told = before.findLast((e) => e.type === 'planned' || e.type === 'launched');
  if (told?.type === 'planned' && told.why === event.why && Math.abs(told.plan.startMs - event.plan.startMs) < 30 * 60_000) return null;
  if (event.why === 'no-capacity') {
    return { mark: 'warn', text: `No acceptable spot capacity. Held: on demand at ${format.clock(event.plan.latestStartMs)} at the latest.` };
  }
  if (event.why === 'retry') return plain('Held for a while: it failed by itself more than once.');
  if (event.why === 'user') return plain('Held because you paused it.');
  const now = event.plan.costNowUsd === null ? '' : ` instead of ${usd(event.plan.costNowUsd)} now`;
  return plain(
    `Held: a window expected at ${format.clock(event.plan.startMs)} should cost ${usd(event.plan.expectedCostUsd)}${now}. Nothing is billed meanwhile.`,
  );
}

function launched(before: readonly JobEvent[], event: Extract<JobEvent, { type: 'launched' }>): Sentence {
  const where = `${event.capacityType} ${event.instanceType} in ${event.zone} at ${usdPerHour(event.priceUsdPerHour)}`;
  if (event.handover !== null) return plain(`Replacement asked for while the checkpoint is being written: ${where}.`);
  if (event.capacityType === 'on-demand') return { mark: 'warn', text: `Full price, to be on time: ${where}.` };
  const first = !before.some((e) => e.type === 'launched');
  return plain(first ? `Released: ${where}.` : `Started again: ${where}.`);
}

function ended(event: Extract<JobEvent, { type: 'ended' }>, format: StoryFormat): Sentence {
  if (event.cause === 'succeeded' || event.cause === 'stopped') return null;
  if (event.cause === 'not-placed') return { mark: 'warn', text: 'The zone had nothing after all; it is left out for a while.' };
  const lost = event.lostWorkMs > 0 ? `${format.span(event.lostWorkMs)} of work will be redone` : 'no work is lost';
  if (event.cause === 'interrupted') return { mark: 'quiet', text: `The machine is gone; ${lost}.` };
  return {
    mark: 'warn',
    text: `The attempt ${event.cause === 'failed' ? `failed with exit code ${event.exitCode ?? 'unknown'}` : 'was deleted'}; ${lost}.`,
  };
}

function deadlineOf(events: readonly JobEvent[]): number {
  const amended = events.findLast((e) => e.type === 'amended');
  if (amended?.type === 'amended') return amended.deadlineMs;
  return specOf(events)?.deadlineMs ?? Number.NaN;
}

function specOf(events: readonly JobEvent[]): JobSpec | null {
  const first = events[0];
  return first?.type === 'submitted' ? first.spec : null;
}
