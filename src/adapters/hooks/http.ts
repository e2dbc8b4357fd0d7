// The checkpoint contract's two calls over HTTP (docs/checkpoint-contract.md). What comes back is from a user's process: it is
// bounded while it is read and checked before it is believed, and it cannot send the agent elsewhere. node:http and not fetch, because
// fetch follows redirects and gives up after five minutes without headers, and a big model may take longer to seal.

import { request } from 'node:http';
import { NerveError } from '../../engine/errors.ts';
import type { Hooks, HookTarget } from '../../ports.ts';
import { readProgress, readSeal } from './answers.ts';

const PROGRESS_TIMEOUT_MS = 2000;
/** A seal without a deadline (move, pause) may take as long as a big model needs. */
const SEAL_TIMEOUT_MS = 600_000;
const MAX_ANSWER_BYTES = 65_536;

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
function call(target: HookTarget, method: string, path: string, body: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const away = (cause: Error): void =>
      reject(new NerveError('retryable', `The checkpoint hook does not answer ${path} (${cause.message}).`, { cause }));
    const headers = { authorization: `Bearer ${target.token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const signal = AbortSignal.timeout(timeoutMs);
    // A connection of its own: one that was kept open may belong to a process that has ended.
    const options = { host: target.host ?? '127.0.0.1', port: target.port, method, path, headers, signal, agent: false } as const;
    const asked = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) asked.destroy(new Error(`its answer is longer than ${MAX_ANSWER_BYTES} bytes`));
      });
      response.on('error', away);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new NerveError('retryable', `The checkpoint hook answered ${path} with HTTP ${response.statusCode}: ${text.slice(0, 300)}`));
      });
    });
    asked.on('error', away);
    asked.end(body);
  });
}
