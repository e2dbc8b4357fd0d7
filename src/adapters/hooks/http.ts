// The checkpoint contract's two calls over HTTP (docs/checkpoint-contract.md). What comes back is from a user's process: it is
// bounded while it is read and checked before it is believed, and it cannot send the agent elsewhere. node:http and not fetch, because
// fetch follows redirects and gives up after five minutes without headers, and a big model may take longer to seal.

import { NerveError } from '../../engine/errors.ts';
import type { Hooks, HookTarget } from '../../ports.ts';
import { httpText } from '../system/http-text.ts';
import { readProgress, readSeal } from './answers.ts';

const PROGRESS_TIMEOUT_MS = 2000;
/** A seal without a deadline (move, pause) may take as long as a big model needs. */
const SEAL_TIMEOUT_MS = 600_000;

export function httpHooks(): Hooks {
  return {
    checkpoint: async (target, { reason, deadlineRealMs }) => {
      const timeoutMs = deadlineRealMs === null ? SEAL_TIMEOUT_MS : Math.max(1000, deadlineRealMs - Date.now());
      const body = JSON.stringify({ reason, deadline: deadlineRealMs === null ? null : new Date(deadlineRealMs).toISOString() });
      return believed(readSeal, '/v1/checkpoint', await call(target, 'POST', '/v1/checkpoint', body, timeoutMs));
    },
    progress: async (target) => believed(readProgress, '/v1/progress', await call(target, 'GET', '/v1/progress', '', PROGRESS_TIMEOUT_MS)),
  };
}

function believed<T>(read: (value: unknown) => T, path: string, text: string): T {
  try {
    return read(JSON.parse(text));
  } catch (cause) {
    throw new NerveError('retryable', `The checkpoint hook answered ${path} with what the contract does not know: ${text.slice(0, 300)}`, { cause });
  }
}

/** The body of a 200. */
async function call(target: HookTarget, method: string, path: string, body: string, timeoutMs: number): Promise<string> {
  const headers = { authorization: `Bearer ${target.token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const to = { host: target.host ?? '127.0.0.1', port: target.port, method, path, headers };
  const answer = await httpText(to, timeoutMs, body).catch((cause: Error) => {
    throw new NerveError('retryable', `The checkpoint hook does not answer ${path} (${cause.message}).`, { cause });
  });
  if (answer.status === 200) return answer.body;
  throw new NerveError('retryable', `The checkpoint hook answered ${path} with HTTP ${answer.status}: ${answer.body.slice(0, 300)}`);
}
