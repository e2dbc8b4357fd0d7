// One small question over plain HTTP, on a connection of its own: one that was kept open may belong to a process that has ended. node:http and
// not fetch, which follows redirects, gives up after five minutes without headers, and costs the agent 12 MB (bench/results/soak.md).

import { request, type RequestOptions } from 'node:http';

const MAX_ANSWER_BYTES = 65_536;

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** @throws Error when there is no whole answer within `timeoutMs`, or it is longer than 64 KiB. */
export function httpText(to: RequestOptions, timeoutMs: number, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...to, agent: false, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) asked.destroy(new Error(`its answer is longer than ${MAX_ANSWER_BYTES} bytes`));
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
