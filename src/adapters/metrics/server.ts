// Serves one page, /metrics, over plain HTTP. The chart's NetworkPolicy says who may reach it; nothing in it names a job.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NerveError } from '../../engine/errors.ts';
import type { Log } from '../../ports.ts';

const REQUEST_LIMIT_MS = 5000;
/** Text format of Prometheus. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface MetricsServer {
  readonly port: number;
  close(): void;
}

/** @throws NerveError `usage` when the port is taken. */
export async function serveMetrics(port: number, page: () => Promise<string>, log: Log): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: REQUEST_LIMIT_MS }, (request, response) => {
    const send = (status: number, body: string): void => {
      response.writeHead(status, { 'content-type': status === 200 ? CONTENT_TYPE : 'text/plain', 'content-length': Buffer.byteLength(body) });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.url?.split('?')[0] !== '/metrics') return send(404, 'not found: see /metrics\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, 'GET /metrics\n');
    page().then(
      (text) => send(200, text),
      (error: unknown) => {
        log.warn({ err: error }, 'metrics could not be put together');
        send(500, 'not now; the log says why\n');
      },
    );
  });
  await listening(server, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new NerveError('usage', `Metrics cannot be served on port ${port}: ${cause.message}.`, { cause, hint: 'Set NERVE_METRICS_PORT.' })),
    );
    server.listen(port, resolve);
  });
}
