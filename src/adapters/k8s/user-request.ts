// One HTTP request to the API server with the user's credentials, and the lines of an answer that goes on (watch, logs).

import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Connection } from './user-config.ts';
import { errorFrom, unreachable } from './user-errors.ts';

const ANSWER_TIMEOUT_MS = 15_000;
const WHOLE_TIMEOUT_MS = 60_000;
const BODY_LIMIT_BYTES = 64 * 1024 * 1024;

export interface Ask {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly body?: unknown;
  readonly type?: 'application/json' | 'application/merge-patch+json' | 'application/strategic-merge-patch+json';
}

export interface Answer {
  readonly body: string;
  readonly warnings: readonly string[];
}

/** @throws NerveError: what the server refused, or that it did not answer. */
export async function ask(connection: Connection, what: Ask): Promise<Answer> {
  const response = await open(connection, what, AbortSignal.timeout(WHOLE_TIMEOUT_MS));
  try {
    return { body: await text(response), warnings: warningsOf(response) };
  } catch (cause) {
    throw unreachable(cause, connection.context, connection.server);
  }
}

/** The answer's head; whoever asked reads its body. A long answer may be silent for as long as it likes, once it has begun. */
export async function open(connection: Connection, what: Ask, signal?: AbortSignal): Promise<IncomingMessage> {
  const { server, context, namespace } = connection;
  const options = await connection.options();
  const payload = what.body === undefined ? null : JSON.stringify(what.body);
  const send = server.protocol === 'http:' ? httpRequest : httpsRequest;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent: ClientRequest = send(
      new URL(`${server.pathname.replace(/\/$/, '')}${what.path}`, server),
      {
        ...options,
        method: what.method,
        ...(signal === undefined ? {} : { signal }),
        headers: {
          ...(options.headers as Record<string, string> | undefined),
          accept: 'application/json',
          'user-agent': 'nerve-cli',
          ...(payload === null ? {} : { 'content-type': what.type ?? 'application/json', 'content-length': Buffer.byteLength(payload) }),
        },
      },
      resolve,
    );
    sent.setTimeout(ANSWER_TIMEOUT_MS, () => sent.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)));
    sent.on('error', reject);
    sent.end(payload ?? undefined);
  }).catch((cause: unknown) => {
    throw unreachable(cause, context, server);
  });
  response.socket.setTimeout(0);
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return response;
  throw errorFrom({ status, body: await text(response).catch(() => ''), context, namespace });
}

/** Whole lines as they come. */
export async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    yield* parts.filter((line) => line !== '');
  }
  if (rest !== '') yield rest;
}

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_LIMIT_BYTES) throw new Error(`the answer is longer than ${BODY_LIMIT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `299 - "text"`, once a header or several in one. */
function warningsOf(response: IncomingMessage): readonly string[] {
  const values = response.headersDistinct['warning'] ?? [];
  return values.flatMap((value) => [...value.matchAll(/\d{3} \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text.replace(/\\(.)/g, '$1')));
}
