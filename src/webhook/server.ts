// The webhook's TLS server. The API server gives it two seconds and goes on without it after that, so nothing here waits for
// anything but the request's own bytes.
//
// Surprise: `keepAliveTimeout` is long on purpose. Go keeps idle connections for 90 s; a server that closes them first loses the
// request that is just being sent, and that pod would go on without Nerve.

import { type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Clock, Log } from '../ports.ts';
import type { Certificate } from './certificate.ts';
import { reviewOf, uidOf, untouched, type Verdict } from './review.ts';

/** An object may have 1.5 MiB in etcd, and is written here as JSON. */
const BODY_LIMIT_BYTES = 6 * 1024 * 1024;
const REQUEST_LIMIT_MS = 5000;
const KEEP_ALIVE_MS = 120_000;
/** Under a stall each waiting request brings a connection of its own, and each of these memory and a handshake. One that is turned away at
 * once costs its pod nothing; one that waits costs it two seconds, and those behind it too. */
const MAX_CONNECTIONS = 200;

export interface WebhookServer {
  readonly port: number;
  useCertificate(to: Certificate): void;
  /** Health says no at once, requests are answered for `drainRealMs` more, then the last ones are waited for. */
  stop(drainRealMs: number): Promise<void>;
}

export interface ServerOptions {
  /** Null: every address. */
  readonly host: string | null;
  readonly port: number;
  readonly certificate: Certificate;
  readonly answer: (review: unknown) => Verdict;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Log;
}

export async function startServer({ host, port, certificate, answer, clock, log }: ServerOptions): Promise<WebhookServer> {
  let stopping = false;
  const tls = { minVersion: 'TLSv1.2' } as const;
  const server = createServer({ ...tls, ...certificate, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_LIMIT_MS }, (request, response) => {
    if (stopping) response.setHeader('connection', 'close');
    serve(request, response).catch((error: unknown) => {
      log.warn({ err: error }, 'a request ended early');
      response.destroy();
    });
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0];
    if (path === '/healthz') return send(response, stopping ? 503 : 200, stopping ? 'stopping' : 'ok');
    if (path !== '/mutate/pods' && path !== '/mutate/jobs') return send(response, 404, 'not found');
    if (request.method !== 'POST') return send(response, 405, 'POST an AdmissionReview');
    const body = await bodyOf(request);
    // Without a uid there is no answer that the API server would take; it goes on without us.
    if (body === null) {
      response.setHeader('connection', 'close');
      return send(response, 413, 'too large');
    }
    const review = parsed(body);
    const verdict = judged(review);
    send(response, 200, JSON.stringify(reviewOf(uidOf(review), verdict)), 'application/json');
    log.info({ outcome: verdict.outcome, ...(verdict.jobId === null ? {} : { jobId: verdict.jobId }) }, 'admission');
  }

  function judged(review: unknown): Verdict {
    try {
      return answer(review);
    } catch (error) {
      log.error({ err: error }, 'a defect: this object goes on as it is');
      return untouched('unreadable', 'failed on this object, which goes on as it is.');
    }
  }

  server.maxConnections = MAX_CONNECTIONS;
  server.on('tlsClientError', (error) => log.debug({ err: error }, 'no TLS'));
  await listening(server, port, host);
  return {
    port: (server.address() as AddressInfo).port,
    useCertificate: (to) => server.setSecureContext({ ...tls, ...to }),
    stop: async (drainRealMs) => {
      stopping = true;
      await clock.sleep(drainRealMs);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await Promise.race([closed, clock.sleep(REQUEST_LIMIT_MS)]);
      server.closeAllConnections();
      await closed;
    },
  };
}

function listening(server: Server, port: number, host: string | null): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === null ? {} : { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Null: longer than anything that the API server sends. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_LIMIT_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function send(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
