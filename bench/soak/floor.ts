// The least that such a worker could take, to compare with on the machine of the run: BullMQ, a watch and requests over TLS as often as Nerve's own
// worker uses them for a job (counted 2026-11-26: 4 wakes, 7 requests, 16 plain commands; here 8 requests, two a wake), and nothing decided. Started by
// main.ts as a program of its own.

import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { DelayedError, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { NAMESPACE } from './life.ts';

const WAKES = 4;
const REQUESTS_A_WAKE = 2;
const COMMANDS_A_WAKE = 4;
const EVENT = 'x'.repeat(400);

const folder = process.env['NERVE_ACCOUNT_FOLDER'] ?? '';
const server = new URL(`https://${process.env['KUBERNETES_SERVICE_HOST'] ?? ''}:${process.env['KUBERNETES_SERVICE_PORT'] ?? ''}`);
const agent = new Agent({ keepAlive: true, ca: readFileSync(join(folder, 'ca.crt')) });
const url = process.env['NERVE_REDIS_URL'] ?? '';
const redis = new Redis(url);
const connection = { url, maxRetriesPerRequest: null };
const queue = new Queue('floor', { connection });
const pods = `/api/v1/namespaces/${NAMESPACE}/pods`;

function get(path: string): Promise<void> {
  return new Promise((done, failed) => {
    request(new URL(path, server), { agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        JSON.parse(Buffer.concat(chunks).toString());
        done();
      });
    })
      .on('error', failed)
      .end();
  });
}

new Worker(
  'floor',
  async (job, token) => {
    const pod = String((job.data as { pod: string }).pod);
    for (let n = 0; n < REQUESTS_A_WAKE; n++) await get(`${pods}/${pod}`);
    for (let n = 0; n < COMMANDS_A_WAKE / 2; n++) {
      await redis.xadd(`floor:${pod}`, '*', 'e', EVENT);
      await redis.xrange(`floor:${pod}`, '-', '+');
    }
    if (job.attemptsStarted >= WAKES) return void (await redis.del(`floor:${pod}`));
    await job.moveToDelayed(Date.now() + 1000, token);
    throw new DelayedError();
  },
  { connection, concurrency: 8, removeOnComplete: { count: 0 } },
);

request(new URL(`/api/v1/pods?watch=true`, server), { agent }, (response) => {
  let rest = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { type, object } = JSON.parse(line) as { type: string; object: { metadata: { name: string } } };
      const { name } = object.metadata;
      if (type === 'ADDED' && name.startsWith('pod-of-j-short')) void queue.add('wake', { pod: name }, { removeOnComplete: true });
    }
  });
}).end();
