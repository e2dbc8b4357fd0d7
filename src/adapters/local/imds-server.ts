// A node's instance metadata endpoint, IMDSv2 as EC2 speaks it: a token by PUT, 401 without one, 404 where there is nothing to
// say. What it says is simulated; the protocol is real, and the agent that polls it is the one that runs in a cluster.

import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CloudNode } from './cloud.ts';

const TTL_HEADER = 'x-aws-ec2-metadata-token-ttl-seconds';
const TOKEN_HEADER = 'x-aws-ec2-metadata-token';
const MAX_TTL_SECONDS = 21_600;

export interface ImdsServer {
  readonly url: string;
  close(): void;
}

/** Serves what `node()` says now; 404 for everything once the node is gone (null). */
export async function startImds(region: string, node: () => CloudNode | null): Promise<ImdsServer> {
  const tokens = new Map<string, number>();
  const server: Server = createServer((request, response) => {
    answer(request, response, region, node(), tokens);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, region: string, node: CloudNode | null, tokens: Map<string, number>): void {
  const reply = (status: number, body = '', headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(body);
  };
  if (request.url === '/latest/api/token') {
    if (request.method !== 'PUT') return reply(405);
    const ttl = Number(request.headers[TTL_HEADER]);
    if (!Number.isInteger(ttl) || ttl < 1 || ttl > MAX_TTL_SECONDS) return reply(400);
    const token = randomBytes(24).toString('base64');
    tokens.set(token, performance.now() + ttl * 1000);
    return reply(200, token, { [TTL_HEADER]: String(ttl) });
  }
  const token = request.headers[TOKEN_HEADER];
  const expires = typeof token === 'string' ? tokens.get(token) : undefined;
  if (expires === undefined || expires < performance.now()) return reply(401);
  const body = node === null ? null : metadata(request.url ?? '', region, node);
  return body === null ? reply(404) : reply(200, body);
}

function metadata(path: string, region: string, node: CloudNode): string | null {
  const rfc3339 = (realMs: number): string => new Date(realMs).toISOString().replace(/\.\d+Z$/, 'Z');
  switch (path.replace(/^\/latest\/meta-data\//, '')) {
    case 'spot/instance-action':
      return node.noticeEndsRealMs === null ? null : JSON.stringify({ action: 'terminate', time: rfc3339(node.noticeEndsRealMs) });
    case 'spot/termination-time':
      return node.noticeEndsRealMs === null ? null : rfc3339(node.noticeEndsRealMs);
    case 'events/recommendations/rebalance':
      return node.rebalanceRealMs === null ? null : JSON.stringify({ noticeTime: rfc3339(node.rebalanceRealMs) });
    case 'placement/availability-zone-id':
      return node.zone;
    case 'placement/availability-zone':
      return `${region}${'abc'.charAt(Number(node.zone.at(-1)) - 1)}`;
    case 'placement/region':
      return region;
    case 'instance-life-cycle':
      return node.capacityType;
    case 'instance-type':
      return node.instanceType;
    case 'instance-id':
      return node.name;
    default:
      return null;
  }
}
