// The API server over node:https with a service account's token: the lean path of worker and agent, which never load the client library
// (docs/decisions/0011-the-clusters-reader.md). The token is read again every minute, because the kubelet rotates it.

import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { type ErrorKind, NerveError } from '../../engine/errors.ts';

const TIMEOUT_MS = 15_000;
const TOKEN_AGE_MS = 60_000;
/** More at once only queue in the API server. */
const MAX_CALLS = 16;

export interface ServiceAccount {
  readonly host: string;
  readonly port: number;
  /** Where `token` and `ca.crt` are. */
  readonly folder: string;
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly type?: 'application/json' | 'application/merge-patch+json' | 'application/json-patch+json' | 'application/strategic-merge-patch+json';
  /** An answer that is longer is not read to its end: see `isTooLong`. */
  readonly atMostBytes?: number;
}

export interface Api {
  /** @throws NerveError `not-found`, `conflict`, `refused`, `retryable` or `unreachable`. */
  call<T>(ask: Ask): Promise<T>;
  /** Gives each line of a long answer; ends when the server ends it. @throws as `call`, also after `idleMs` without a byte. */
  lines(path: string, line: (text: string) => void, options: { readonly idleMs: number; readonly signal: AbortSignal }): Promise<void>;
  close(): void;
}

/** `maxCalls` at once; the others wait. Each keeps its connection, and one over TLS is some 100 kB. */
export function serviceAccountApi(account: ServiceAccount, maxCalls = MAX_CALLS): Api {
  const agent = new Agent({ keepAlive: true, maxSockets: maxCalls, ca: readFileSync(join(account.folder, 'ca.crt')) });
  // A watch holds its socket for minutes: it must not take one from the calls.
  const watches = new Agent({ keepAlive: false, ca: readFileSync(join(account.folder, 'ca.crt')) });
  let token = { value: '', readAtMs: Number.NEGATIVE_INFINITY };
  const bearer = (): string => {
    if (performance.now() - token.readAtMs > TOKEN_AGE_MS) {
      token = { value: readFileSync(join(account.folder, 'token'), 'utf8').trim(), readAtMs: performance.now() };
    }
    return `Bearer ${token.value}`;
  };

  const open = ({ method = 'GET', path, body, type = 'application/json' }: Ask, options: { agent: Agent; timeoutMs: number; signal?: AbortSignal }) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = {
        authorization: bearer(),
        accept: 'application/json',
        'user-agent': 'nerve',
        ...(text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
      };
      const { host, port } = account;
      const call = request({ host, port, method, path, headers, agent: options.agent, timeout: options.timeoutMs, signal: options.signal }, resolve);
      call.on('timeout', () => call.destroy(new Error('no answer in time')));
      call.on('error', (cause) => reject(away(cause, account)));
      call.end(text);
    });

  return {
    call: async <T>(ask: Ask): Promise<T> => {
      const response = await open(ask, { agent, timeoutMs: TIMEOUT_MS });
      const text = await whole(response, ask.atMostBytes).catch((cause: unknown) => Promise.reject(away(cause, account)));
      if ((response.statusCode ?? 500) >= 300) throw refusal(response.statusCode ?? 500, text, ask);
      return JSON.parse(text) as T;
    },
    lines: async (path, line, { idleMs, signal }) => {
      const response = await open({ path }, { agent: watches, timeoutMs: idleMs, signal });
      if ((response.statusCode ?? 500) >= 300) throw refusal(response.statusCode ?? 500, await whole(response), { path });
      await eachLine(response, line).catch((cause: unknown) => Promise.reject(away(cause, account)));
    },
    close: () => {
      agent.destroy();
      watches.destroy();
    },
  };
}

/** By events: an iterator costs as much as the rest of a small call. */
function whole(response: IncomingMessage, atMostBytes = Number.POSITIVE_INFINITY): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= atMostBytes) chunks.push(chunk);
      else response.destroy(new NerveError('retryable', `The API server answers more than ${atMostBytes} bytes.`, { fields: { tooLong: true } }));
    });
    response.on('error', reject);
    response.on('end', () => resolve(Buffer.concat(chunks).toString()));
  });
}

async function eachLine(response: IncomingMessage, line: (text: string) => void): Promise<void> {
  // Bytes are joined before they are decoded: a character may be cut in two.
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of response) {
    let from = 0;
    const data = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    for (let end = data.indexOf(10, from); end >= 0; end = data.indexOf(10, from)) {
      if (end > from) line(data.toString('utf8', from, end));
      from = end + 1;
    }
    rest = data.subarray(from);
  }
}

function away(cause: unknown, { host, port }: ServiceAccount): NerveError {
  if (cause instanceof NerveError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  return new NerveError('unreachable', `The API server at ${host}:${port} does not answer (${text}).`, { cause });
}

/** 422 is what a JSON patch answers whose test failed. */
const KINDS: Readonly<Record<number, ErrorKind>> = {
  404: 'not-found',
  409: 'conflict',
  410: 'conflict',
  422: 'conflict',
  401: 'refused',
  403: 'refused',
};

function refusal(status: number, body: string, { method = 'GET', path }: Ask): NerveError {
  const kind = KINDS[status] ?? (status === 429 || status >= 500 ? 'retryable' : 'fatal');
  const message = /"message":\s*"((?:[^"\\]|\\.){1,400})/.exec(body)?.[1] ?? body.slice(0, 300);
  return new NerveError(kind, `The API server answered ${method} ${path.split('?')[0] ?? ''} with ${status}: ${message}`, { fields: { status } });
}

export const isTooLong = (error: unknown): boolean => error instanceof NerveError && error.fields['tooLong'] === true;

export const statusOf = (error: unknown): number | null =>
  error instanceof NerveError && typeof error.fields['status'] === 'number' ? error.fields['status'] : null;
