// The checkpoint contract's two calls over HTTP (docs/checkpoint-contract.md). What comes back is from a user's process: it is
// checked before it is believed.

import { z } from 'zod';
import { NerveError } from '../../engine/errors.ts';
import type { Hooks, HookTarget } from '../../ports.ts';

const PROGRESS_TIMEOUT_MS = 2000;
/** A seal without a deadline (move, pause) may take as long as a big model needs. */
const SEAL_TIMEOUT_MS = 600_000;

const seal = z.object({ id: z.string().max(64), step: z.number(), bytes: z.number(), durationMs: z.number() });
const progress = z.object({
  step: z.number(),
  totalSteps: z.number().nullable(),
  stepsPerSecond: z.number().nullable(),
  resumed: z
    .object({ step: z.number(), epoch: z.number(), checkpointId: z.string().max(64).nullable(), ageSeconds: z.number().min(0).default(0) })
    .nullable(),
  lastCheckpoint: seal.extend({ final: z.boolean(), ageSeconds: z.number().min(0).default(0) }).nullable(),
});

export function httpHooks(): Hooks {
  return {
    checkpoint: async (target, { reason, deadlineRealMs }) => {
      const timeoutMs = deadlineRealMs === null ? SEAL_TIMEOUT_MS : Math.max(1000, deadlineRealMs - Date.now());
      const body = JSON.stringify({ reason, deadline: deadlineRealMs === null ? null : new Date(deadlineRealMs).toISOString() });
      return seal.parse(await call(target, '/v1/checkpoint', { method: 'POST', body, headers: { 'content-type': 'application/json' } }, timeoutMs));
    },
    progress: async (target) => progress.parse(await call(target, '/v1/progress', {}, PROGRESS_TIMEOUT_MS)),
  };
}

async function call(target: HookTarget, path: string, init: RequestInit, timeoutMs: number): Promise<unknown> {
  const headers = { ...(init.headers as Record<string, string> | undefined), authorization: `Bearer ${target.token}` };
  const response = await fetch(`http://${hostOf(target)}:${target.port}${path}`, { ...init, headers, signal: AbortSignal.timeout(timeoutMs) }).catch(
    (cause: unknown) => {
      throw new NerveError('retryable', `The checkpoint hook does not answer ${path}.`, { cause });
    },
  );
  const text = await response.text();
  if (!response.ok) throw new NerveError('retryable', `The checkpoint hook answered ${path} with HTTP ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

/** IPv6 addresses go in brackets. */
function hostOf({ host = '127.0.0.1' }: HookTarget): string {
  return host.includes(':') ? `[${host}]` : host;
}
