// What the API server does with a webhook: POST over TLS with a CA of its own, on connections that it keeps.

import { Agent, request } from 'node:https';

export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The common name of the certificate that was shown. */
  readonly shownBy: string;
}

export interface ReviewClient {
  post(path: string, body: string): Promise<Reply>;
  get(path: string): Promise<Reply>;
  close(): void;
}

export function reviewClient(port: number, ca: string | readonly string[], keepAlive = true): ReviewClient {
  // 25 idle ones and two seconds: the API server's own limits.
  const agent = new Agent({ keepAlive, maxFreeSockets: 25, ca: [ca].flat() });
  const send = (method: string, path: string, body: string | null): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port,
          path,
          method,
          agent,
          headers: body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        },
        (response) => {
          const { subject } = (response.socket as unknown as { getPeerCertificate(): { subject?: { CN?: string | string[] } } }).getPeerCertificate();
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers, shownBy: [subject?.CN ?? ''].flat()[0] ?? '' }),
          );
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      const limit = setTimeout(() => sent.destroy(new Error('no answer within 2 s')), 2000);
      sent.on('close', () => clearTimeout(limit));
      sent.end(body ?? undefined);
    });
  return { post: (path, body) => send('POST', path, body), get: (path) => send('GET', path, null), close: () => agent.destroy() };
}
