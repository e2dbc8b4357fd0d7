// The simulated cloud's socket: HTTP and JSON over a unix socket in a 0700 folder. Errors keep their kind across it.

import { createServer, type Server } from 'node:http';
import { rm } from 'node:fs/promises';
import { NerveError } from '../../engine/errors.ts';
import type { CloudApi } from './cloud-api.ts';

const MAX_BODY_BYTES = 1_000_000;
const STATUS: Readonly<Record<string, number>> = {
  'not-found': 404,
  conflict: 409,
  refused: 403,
  usage: 400,
  retryable: 503,
  unreachable: 503,
  fatal: 500,
};

export async function serveCloud(api: CloudApi, socketPath: string): Promise<{ close(): void }> {
  await rm(socketPath, { force: true });
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) request.destroy();
      else chunks.push(chunk);
    });
    request.on('end', () => {
      call(api, request.url ?? '', Buffer.concat(chunks).toString()).then(
        (value) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value)),
        (error: unknown) => {
          const kind = error instanceof NerveError ? error.kind : 'fatal';
          const message = error instanceof Error ? error.message : String(error);
          const hint = error instanceof NerveError ? error.hint : undefined;
          response.writeHead(STATUS[kind] ?? 500, { 'content-type': 'application/json' }).end(JSON.stringify({ kind, message, hint }));
        },
      );
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  return {
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const METHODS = [
  'attempts',
  'launch',
  'requestStop',
  'remove',
  'forget',
  'changes',
  'node',
  'markNode',
  'annotateAttempt',
  'started',
  'ended',
  'weather',
  'disturb',
  'shutDown',
] as const satisfies readonly (keyof CloudApi)[];

async function call(api: CloudApi, url: string, body: string): Promise<unknown> {
  const method = METHODS.find((name) => url === `/v1/${name}`);
  if (method === undefined) throw new NerveError('not-found', `The simulated cloud has no ${url}.`);
  return (api[method] as (ask: unknown) => Promise<unknown>)(JSON.parse(body || '{}'));
}
