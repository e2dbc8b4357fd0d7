// The API server with a pod's own service account: plain HTTPS requests, no client library (STACK measured: twice the memory).
//
// Surprise: the token is read again every minute, because the kubelet replaces it long before it expires.

import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { NerveError } from '../../engine/errors.ts';

const TOKEN_AGE_MS = 60_000;
const ANSWER_LIMIT_MS = 10_000;

export interface AccountOptions {
  readonly server: URL;
  /** With `token` and `ca.crt`, as the kubelet mounts them. */
  readonly folder: string;
}

export interface Ask {
  readonly method: 'GET' | 'PATCH';
  readonly path: string;
  readonly type?: 'application/json-patch+json' | 'application/merge-patch+json';
  readonly body?: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface Account {
  /** Any status is an answer. @throws NerveError `retryable` when there is none. */
  ask(what: Ask): Promise<Answer>;
  /** An answer that goes on; the caller reads it. @throws NerveError `retryable`. */
  open(path: string, signal: AbortSignal): Promise<IncomingMessage>;
  close(): void;
}

export async function openAccount({ server, folder }: AccountOptions): Promise<Account> {
  const secure = server.protocol === 'https:';
  const agent = secure ? new HttpsAgent({ keepAlive: true, ca: await readFile(join(folder, 'ca.crt')) }) : new HttpAgent({ keepAlive: true });
  const send = secure ? httpsRequest : httpRequest;
  let token = '';
  let readAtMs = Number.NEGATIVE_INFINITY;

  async function bearer(): Promise<string> {
    if (performance.now() - readAtMs > TOKEN_AGE_MS) {
      token = (await readFile(join(folder, 'token'), 'utf8')).trim();
      readAtMs = performance.now();
    }
    return token;
  }

  async function start({ method, path, type, body }: Ask, signal: AbortSignal): Promise<IncomingMessage> {
    const payload = body === undefined ? null : JSON.stringify(body);
    const headers = {
      accept: 'application/json',
      authorization: `Bearer ${await bearer()}`,
      'user-agent': 'nerve',
      ...(payload === null ? {} : { 'content-type': type ?? 'application/json', 'content-length': Buffer.byteLength(payload) }),
    };
    return new Promise((resolve, reject) => {
      send(new URL(path, server), { method, agent, signal, headers }, resolve)
        .on('error', reject)
        .end(payload ?? undefined);
    });
  }

  const noAnswer = (cause: unknown, path: string): NerveError =>
    new NerveError('retryable', `The API server does not answer at ${server.host}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      fields: { path },
    });

  return {
    ask: async (what) => {
      try {
        const response = await start(what, AbortSignal.timeout(ANSWER_LIMIT_MS));
        const text = await textOf(response);
        return { status: response.statusCode ?? 0, body: parsed(text) };
      } catch (cause) {
        throw noAnswer(cause, what.path);
      }
    },
    open: async (path, signal) => {
      try {
        return await start({ method: 'GET', path }, signal);
      } catch (cause) {
        throw noAnswer(cause, path);
      }
    },
    close: () => agent.destroy(),
  };
}

/** What a caller has no better use for. */
export function refusal({ status, body }: Answer, path: string): NerveError {
  const message = (body as { readonly message?: unknown } | null)?.message;
  const kind = status === 429 || status >= 500 ? 'retryable' : status === 404 ? 'not-found' : status === 409 ? 'conflict' : 'fatal';
  return new NerveError(kind, `The API server answered ${status}: ${typeof message === 'string' ? message : 'no message'}`, {
    fields: { path, status },
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
