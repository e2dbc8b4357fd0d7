// Two minutes are what a notice gives: nothing that hangs may keep the agent from it, neither the API server nor the hook of another pod.

import { describe, expect, it } from 'vitest';
import { runAgent } from '../../src/agent/run.ts';
import type { Hooks, HookReason, HostedAttempt, NodeHost } from '../../src/ports.ts';
import { quiet, wallClock } from '../support/clock.ts';

const OPTIONS = { pollRealMs: 5, progressRealMs: 5, uncordonAfterMs: 0 };
const NEVER = new Promise<never>(() => undefined);
const NO_MARKS = { interruption: null, rebalanceAtMs: null, cordonedBy: null };

const attempt = (name: string): HostedAttempt => ({
  name,
  jobId: name,
  attempt: 1,
  hook: { port: name === 'a' ? 1 : 2, token: 't' },
  stopRequest: null,
  ended: false,
});

interface Hangs {
  readonly host?: Partial<NodeHost>;
  readonly progress?: Hooks['progress'];
}

/** Runs the agent of a node with attempts a and b until each was asked for its final checkpoint; the notice comes after a while. */
async function askedFor(hangs: Hangs): Promise<readonly string[]> {
  const stop = new AbortController();
  const asked: string[] = [];
  let noticed = false;
  const host: NodeHost = {
    hosted: async () => [attempt('a'), attempt('b')],
    marks: async () => NO_MARKS,
    annotateNode: async () => undefined,
    cordon: async () => undefined,
    uncordon: async () => undefined,
    annotateAttempt: async () => undefined,
    ...hangs.host,
  };
  const hooks: Hooks = {
    checkpoint: async ({ port }, { reason }: { readonly reason: HookReason }) => {
      asked.push(`${port} ${reason}`);
      return { id: '1', step: 1, bytes: 1, durationMs: 1 };
    },
    progress: hangs.progress ?? (async () => ({ step: 1, totalSteps: 2, stepsPerSecond: 1, resumed: null, lastCheckpoint: null })),
  };
  const metadata = {
    interruption: async () => (noticed ? { action: 'terminate' as const, endsAtRealMs: Date.now() + 120_000 } : null),
    rebalance: async () => null,
  };
  const running = runAgent({ metadata, host, hooks, clock: wallClock, log: quiet }, OPTIONS, stop.signal);
  setTimeout(() => (noticed = true), 50);
  try {
    await expect.poll(() => asked.length, { timeout: 3000 }).toBe(2);
  } finally {
    stop.abort();
    await running;
  }
  return asked.toSorted();
}

const BOTH = ['1 interruption', '2 interruption'];

describe('a notice reaches every hook', () => {
  it.each<[string, Hangs]>([
    ['while nothing hangs', {}],
    ['while the API server does not answer what the hooks reported', { host: { annotateAttempt: () => NEVER } }],
    ['while the API server does not answer how the node is marked', { host: { marks: () => NEVER } }],
    ['while one hook does not answer how far it is', { progress: ({ port }) => (port === 1 ? NEVER : Promise.reject(new Error('busy'))) }],
  ])('%s', async (_, hangs) => {
    expect(await askedFor(hangs)).toEqual(BOTH);
  });
});

it('a rebalance recommendation is written on the node also while a cordon of ours waits to be undone', async () => {
  const stop = new AbortController();
  const written: unknown[] = [];
  const host: NodeHost = {
    hosted: async () => [],
    marks: async () => ({ interruption: { action: 'terminate', noticedAtMs: 0, endsAtMs: Date.now() }, rebalanceAtMs: null, cordonedBy: 'nerve' }),
    annotateNode: async (annotations) => void written.push(annotations),
    cordon: async () => undefined,
    uncordon: async () => undefined,
    annotateAttempt: async () => undefined,
  };
  const hooks: Hooks = { checkpoint: () => NEVER, progress: () => NEVER };
  const metadata = { interruption: async () => null, rebalance: async () => ({ noticeRealMs: Date.now() }) };
  const running = runAgent({ metadata, host, hooks, clock: wallClock, log: quiet }, { ...OPTIONS, uncordonAfterMs: 600_000 }, stop.signal);
  try {
    await expect.poll(() => written.length, { timeout: 3000 }).toBeGreaterThan(0);
  } finally {
    stop.abort();
    await running;
  }
  expect(written[0]).toEqual({ rebalanceAtMs: expect.any(Number) });
});
