// Instance metadata of many fake nodes in one server, IMDSv2: http://host:port/NODE/latest/... A test gives notices and takes them back.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Metadata {
  /** With `{node}` for the node's name. */
  readonly url: string;
  notice(node: string, endsAtMs: number): void;
  calm(node: string): void;
  close(): Promise<void>;
}

export async function startMetadata(): Promise<Metadata> {
  const notices = new Map<string, number>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const reply = (status: number, body = ''): void => void response.writeHead(status).end(body);
    const [, node = '', path = ''] = /^\/([^/]+)\/latest\/(.*)$/.exec(request.url ?? '') ?? [];
    if (path === 'api/token') return reply(request.method === 'PUT' ? 200 : 405, 'token');
    if (request.headers['x-aws-ec2-metadata-token'] !== 'token') return reply(401);
    const endsAtMs = notices.get(node);
    if (path !== 'meta-data/spot/instance-action' || endsAtMs === undefined) return reply(404);
    reply(200, JSON.stringify({ action: 'terminate', time: new Date(endsAtMs).toISOString() }));
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/{node}`,
    notice: (node, endsAtMs) => void notices.set(node, endsAtMs),
    calm: (node) => void notices.delete(node),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
