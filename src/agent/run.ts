// The agent: one per node. It polls instance metadata, takes an interruption notice to every checkpoint hook at once, cordons
// and annotates the node, takes stop requests to the hook, and writes what the hooks report. It never talks to Redis.
//
// Everything it does may be done again: a restarted agent repeats its calls, a hook answers a repeated final request with the
// same seal, annotations are only written when they change. Times of the metadata and of hooks are real; what it writes is
// on the record's clock (convert.ts). No look at the metadata waits for the API server or for a hook: a notice is two minutes.

import type { NodeNotice } from '../engine/snapshot.ts';
import type { Clock, HookReason, Hooks, HostedAttempt, InstanceMetadata, Log, NodeHost } from '../ports.ts';
import { annotationsFrom, noticeFrom } from './convert.ts';
import { drill, unanswered } from './drill.ts';

export interface AgentPorts {
  readonly metadata: InstanceMetadata;
  readonly host: NodeHost;
  readonly hooks: Hooks;
  readonly clock: Clock;
  readonly log: Log;
}

export interface AgentOptions {
  readonly pollRealMs: number;
  readonly progressRealMs: number;
  /** A cordon of ours is undone after this if the node is still there. */
  readonly uncordonAfterMs: number;
}

type Beside = 'marks' | 'rebalance' | 'progress';

interface Memory {
  /** Final hook calls that are under way or were answered, by attempt name. */
  readonly asked: Set<string>;
  readonly rebalanced: Set<string>;
  /** Nonces of drills that are under way or were answered. */
  readonly drills: Set<string>;
  /** What was last written about an attempt, as JSON. */
  readonly written: Map<string, string>;
  progressAtRealMs: number;
  /** What is under way beside the looks; of each kind one at a time. */
  readonly beside: Set<Beside>;
  /** The node bears no cordon of ours, so it need not be read at each round. */
  unmarked: boolean;
}

/** Runs until `signal` aborts. No error of a port ends it. */
export async function runAgent(ports: AgentPorts, options: AgentOptions, signal: AbortSignal): Promise<void> {
  const memory: Memory = {
    asked: new Set(),
    rebalanced: new Set(),
    drills: new Set(),
    written: new Map(),
    progressAtRealMs: 0,
    beside: new Set(),
    unmarked: false,
  };
  while (!signal.aborted) {
    await tick(ports, options, memory).catch((error: unknown) => ports.log.warn({ error: text(error) }, 'a round of the agent failed; trying again'));
    await ports.clock.sleep(options.pollRealMs, signal);
  }
}

async function tick(ports: AgentPorts, options: AgentOptions, memory: Memory): Promise<void> {
  const { metadata, host, clock, log } = ports;
  // Metadata that does not answer must not keep a stop request from its hook, nor the other way round.
  const [notice, rebalance, hosted] = await Promise.all([
    metadata.interruption().catch((error: unknown) => (log.warn({ error: text(error) }, 'instance metadata did not answer'), null)),
    metadata.rebalance().catch(() => null),
    host.hosted(),
  ]);
  const alive = hosted.filter((a) => !a.ended);
  if (notice !== null) {
    for (const attempt of alive) ask(ports, memory, attempt, 'interruption', notice.endsAtRealMs);
    memory.unmarked = false;
    beside(ports, memory, 'marks', () => markNotice(ports, noticeFrom(notice, clock)));
  } else if (!memory.unmarked) {
    beside(ports, memory, 'marks', async () => {
      memory.unmarked = await undoCordon(ports, options);
    });
  }
  for (const attempt of alive) {
    const request = attempt.stopRequest;
    if (request === 'move' || request === 'pause') ask(ports, memory, attempt, request, null);
    onDrill(ports, memory, attempt);
  }
  if (rebalance !== null && notice === null) onRebalance(ports, memory, alive);
  if (clock.realNowMs() - memory.progressAtRealMs >= options.progressRealMs) {
    memory.progressAtRealMs = clock.realNowMs();
    beside(ports, memory, 'progress', () => Promise.all(alive.map((attempt) => writeProgress(ports, memory, attempt))));
  }
}

function beside({ log }: AgentPorts, memory: Memory, what: Beside, act: () => Promise<unknown>): void {
  if (memory.beside.has(what)) return;
  memory.beside.add(what);
  act()
    .catch((error: unknown) => log.warn({ what, error: text(error) }, 'the agent could not write; trying again'))
    .finally(() => memory.beside.delete(what));
}

/** Asks for a final checkpoint, once; a call that failed is made again at the next round. */
function ask(ports: AgentPorts, memory: Memory, attempt: HostedAttempt, reason: HookReason, deadlineRealMs: number | null): void {
  const { hook, name } = attempt;
  if (hook === null || memory.asked.has(name)) return;
  memory.asked.add(name);
  ports.log.info({ attempt: name, reason }, 'asking for a final checkpoint');
  ports.hooks
    .checkpoint(hook, { reason, deadlineRealMs })
    .then(async (seal) => {
      ports.log.info({ attempt: name, step: seal.step, bytes: seal.bytes, durationMs: seal.durationMs }, 'sealed');
      await writeProgress(ports, memory, attempt);
    })
    .catch((error: unknown) => {
      memory.asked.delete(name);
      ports.log.warn({ attempt: name, error: text(error) }, 'the checkpoint hook did not seal');
    });
}

/** Not awaited: a save may take minutes, and a notice may come meanwhile. */
function onDrill({ hooks, host, clock, log }: AgentPorts, memory: Memory, { name, hook, drill: asked, drilled }: HostedAttempt): void {
  const nonce = unanswered(asked ?? null, drilled ?? null);
  if (nonce === null || memory.drills.has(nonce)) return;
  memory.drills.add(nonce);
  drill(hooks, hook, nonce, clock)
    .then((drillResult) => host.annotateAttempt(name, { drillResult }))
    .catch((error: unknown) => {
      memory.drills.delete(nonce);
      log.warn({ attempt: name, error: text(error) }, 'the result of a drill could not be written; trying again');
    });
}

async function markNotice({ host, log }: AgentPorts, notice: NodeNotice): Promise<void> {
  const marks = await host.marks();
  if (marks.cordonedBy === null) await host.cordon();
  if (marks.interruption !== null) return;
  log.warn({ action: notice.action, endsAtMs: notice.endsAtMs }, 'interruption notice');
  await host.annotateNode({ interruption: notice });
}

/** Checkpoint now, do not move: the signal may be early, or never be followed by a notice. */
function onRebalance(ports: AgentPorts, memory: Memory, alive: readonly HostedAttempt[]): void {
  const { host, hooks, clock, log } = ports;
  beside(ports, memory, 'rebalance', async () => {
    if ((await host.marks()).rebalanceAtMs === null) await host.annotateNode({ rebalanceAtMs: clock.nowMs() });
  });
  for (const { hook, name } of alive) {
    if (hook === null || memory.rebalanced.has(name)) continue;
    memory.rebalanced.add(name);
    hooks.checkpoint(hook, { reason: 'rebalance', deadlineRealMs: null }).catch((error: unknown) => {
      memory.rebalanced.delete(name);
      log.warn({ attempt: name, error: text(error) }, 'no checkpoint for the rebalance recommendation');
    });
  }
}

/** A cordon of ours on a node that was not taken back after all. True: there is none. */
async function undoCordon({ host, clock, log }: AgentPorts, options: AgentOptions): Promise<boolean> {
  const marks = await host.marks();
  if (marks.cordonedBy !== 'nerve' || marks.interruption === null) return true;
  if (clock.nowMs() < marks.interruption.endsAtMs + options.uncordonAfterMs) return false;
  log.info({}, 'the node is still there; its cordon is undone');
  await host.uncordon();
  await host.annotateNode({ interruption: null });
  return true;
}

async function writeProgress({ hooks, host, clock, log }: AgentPorts, memory: Memory, attempt: HostedAttempt): Promise<void> {
  if (attempt.hook === null) return;
  try {
    const annotations = annotationsFrom(await hooks.progress(attempt.hook), clock);
    // `ageSeconds` jitters: what happened is compared, not when we think it did.
    const print = JSON.stringify([
      annotations.progress?.step,
      annotations.resumed?.epoch,
      annotations.lastCheckpoint?.id,
      annotations.lastCheckpoint?.final,
    ]);
    if (memory.written.get(attempt.name) === print) return;
    await host.annotateAttempt(attempt.name, annotations);
    memory.written.set(attempt.name, print);
  } catch (error) {
    // Before the hook listens and after it went, this is the normal answer.
    log.debug({ attempt: attempt.name, error: text(error) }, 'no progress from the hook');
  }
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
