// How late a job is woken: alarms at 20 a second, at instants that have nothing to do with each other, beside all that are held, through
// the processor that the worker runs. A handled job is held again, as it would be. Beside it plain timers for the same instants, in the
// same process: what they are late by is the machine's fault.

import type { Clock } from '../../src/ports.ts';
import { type Figure, percentile, shown } from './figures.ts';
import type { Server } from './server.ts';

const PER_SECOND = 20;
const BEFORE_THE_FIRST_MS = 2000;
const FAR_MS = 24 * 3_600_000;
const PATIENCE_MS = 30_000;

export async function measureLateness(server: Server, clock: Clock, seconds: number): Promise<readonly Figure[]> {
  const worker = await server.open();
  const beginsMs = clock.nowMs() + BEFORE_THE_FIRST_MS;
  const due = new Map<string, number>();
  for (let i = 0; i < seconds * PER_SECOND; i++) due.set(`j-late-${i}`, beginsMs + instantOf(i));
  const lateMs: number[] = [];
  const stop = new AbortController();
  const all = Promise.withResolvers<void>();
  const patience = setTimeout(all.resolve, BEFORE_THE_FIRST_MS + seconds * 1000 + PATIENCE_MS);
  const running = worker.alarms.run(async (jobId) => {
    const nowMs = clock.nowMs();
    const atMs = due.get(jobId);
    if (atMs !== undefined && due.delete(jobId)) lateMs.push(nowMs - atMs);
    if (due.size === 0) all.resolve();
    return nowMs + FAR_MS;
  }, stop.signal);
  const timerLateMs: number[] = [];
  for (const atMs of due.values()) setTimeout(() => timerLateMs.push(clock.nowMs() - atMs), atMs - clock.nowMs());
  await server.queue.alarms.armMany([...due].map(([jobId, atMs]) => ({ jobId, atMs })));
  await all.promise;
  clearTimeout(patience);
  stop.abort();
  await running;
  await worker.close();
  const at = (share: number): string => shown(percentile(lateMs, share));
  const spread = `p50 ${at(0.5)}, p90 ${at(0.9)}, most ${at(1)} ms; plain timers p99 ${shown(percentile(timerLateMs, 0.99))}`;
  return [
    {
      name: 'wakeLatenessP99Ms',
      what: `wake lateness at ${PER_SECOND} jobs/s, p99`,
      value: percentile(lateMs, 0.99),
      unit: 'ms',
      note: `${spread}; ${seconds} s`,
    },
    { name: 'neverWoken', what: 'alarms that did not go off', value: due.size, unit: '', note: `of ${lateMs.length + due.size}` },
  ];
}

/** After the first alarm: evenly spread, each moved by up to a period in a way that repeats only after a thousand. */
const instantOf = (index: number): number => ((index + ((index * 617) % 1000) / 1000) * 1000) / PER_SECOND;
