import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { instanceMetadata } from '../../src/adapters/aws/imds.ts';
import type { CloudNode } from '../../src/adapters/local/cloud.ts';
import { startImds } from '../../src/adapters/local/imds-server.ts';
import type { ObservedNode } from '../../src/engine/snapshot.ts';
import { NOW } from '../support/build.ts';
import { CALM } from '../support/sim/cloud-plan.ts';
import { simCluster, type SimNode } from '../support/sim/cluster.ts';
import { simMarket } from '../support/sim/market.ts';
import { random } from '../support/sim/random.ts';
import { simTime } from '../support/sim/time.ts';
import { freePort } from '../../src/adapters/system/free-port.ts';
import { instanceMetadataContract } from './instance-metadata.ts';
import { notFailing } from './outage.ts';

const place = { zone: 'euw3-az2', instanceType: 'g4dn.xlarge', capacityType: 'spot' } as const;
const marks = { interruption: null, rebalanceAtMs: null, cordonedBy: null };
const calm: CloudNode = { name: 'i-0123456789abcdef0', ...place, createdAtMs: 0, ...marks, noticeEndsRealMs: null, rebalanceRealMs: null };

instanceMetadataContract('memory', async () => {
  const time = simTime(NOW);
  const events = { nodeUp: () => undefined, nodeDown: () => undefined, changed: () => undefined, twiceAtOnce: () => undefined };
  const plan = { ...CALM, noticeMs: 120_000, graceMs: 30_000, bootMs: [0, 0] } as const;
  const cluster = simCluster(time, simMarket(time, 1, { dry: [], lies: [] }), plan, random(1), events);
  const object: ObservedNode = { name: 'node-1', ...place, ready: true, silentSinceMs: null, ...marks };
  const node: SimNode = { name: 'node-1', object, notice: null, rebalanceAtMs: null, gone: false };
  return {
    metadata: cluster.metadataOf(node),
    announce: (endsAtMs) => {
      node.notice = { action: 'terminate', endsAtMs };
    },
    recommend: (atMs) => {
      node.rebalanceAtMs = atMs;
    },
    close: async () => undefined,
  };
});

instanceMetadataContract('IMDSv2', async () => {
  let node = calm;
  const server = await startImds('eu-west-3', () => node);
  return {
    metadata: instanceMetadata(server.url),
    announce: (noticeEndsRealMs) => {
      node = { ...node, noticeEndsRealMs };
    },
    recommend: (rebalanceRealMs) => {
      node = { ...node, rebalanceRealMs };
    },
    close: async () => server.close(),
  };
});

describe('instance metadata: IMDSv2', () => {
  const servers: Server[] = [];
  afterEach(() => {
    vi.useRealTimers();
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  async function serve(answer: RequestListener): Promise<string> {
    const server = createServer(answer);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  /** Answers `body` with `status` to whoever has the newest token; `asked` is what was asked, in order. */
  function tokenServer(body: string, status = 200) {
    const asked: string[] = [];
    let token = '';
    const answer: RequestListener = (request, response) => {
      const shown = request.headers['x-aws-ec2-metadata-token'];
      asked.push(`${request.method} ${shown === undefined ? 'no token' : String(shown)}`);
      if (request.method === 'PUT') {
        token = `token-${asked.length}`;
        response.end(token);
      } else response.writeHead(shown === token ? status : 401).end(shown === token ? body : '');
    };
    return { asked, answer, forget: () => (token = 'forgotten') };
  }
  const NOTICE = '{"action":"stop","time":"2026-11-24T18:02:00Z"}';
  const calls = (url: string) => {
    const metadata = instanceMetadata(url);
    return { interruption: () => metadata.interruption(), rebalance: () => metadata.rebalance() };
  };

  it('gets a token first, and keeps it', async () => {
    const { asked, answer } = tokenServer(NOTICE);
    const metadata = instanceMetadata(await serve(answer));
    for (let i = 0; i < 3; i++) expect(await metadata.interruption()).toMatchObject({ action: 'stop' });
    expect(asked).toEqual(['PUT no token', 'GET token-1', 'GET token-1', 'GET token-1']);
  });

  it('renews a token before its hour is over', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { asked, answer } = tokenServer('', 404);
    const metadata = instanceMetadata(await serve(answer));
    await metadata.interruption();
    vi.advanceTimersByTime(50 * 60_000);
    await metadata.interruption();
    vi.advanceTimersByTime(9.9 * 60_000);
    await metadata.interruption();
    expect(asked).toEqual(['PUT no token', 'GET token-1', 'GET token-1', 'PUT no token', 'GET token-4']);
  });

  it('gets a new token when the endpoint has forgotten the old one, and asks again at once', async () => {
    const { asked, answer, forget } = tokenServer(NOTICE);
    const metadata = instanceMetadata(await serve(answer));
    await metadata.interruption();
    forget();
    expect(await metadata.interruption()).toMatchObject({ action: 'stop' });
    expect(asked).toEqual(['PUT no token', 'GET token-1', 'GET token-1', 'PUT no token', 'GET token-4']);
  });

  it('gives up, with a hint, on an endpoint that refuses its own tokens', async () => {
    const url = await serve((request, response) => response.writeHead(request.method === 'PUT' ? 200 : 401).end('t'));
    await expect(instanceMetadata(url).interruption()).rejects.toMatchObject({ kind: 'retryable', hint: expect.stringContaining('hop limit') });
  });

  it('never falls back to asking without a token', async () => {
    const asked: string[] = [];
    const url = await serve((request, response) => {
      asked.push(`${request.method} ${String(request.headers['x-aws-ec2-metadata-token'] ?? 'no token')}`);
      response.writeHead(request.method === 'PUT' ? 403 : 200).end(NOTICE);
    });
    expect(await notFailing(calls(url), ['retryable'], 4000)).toEqual({});
    expect(new Set(asked)).toEqual(new Set(['PUT no token']));
  });

  it('is an error, never "no notice", when the answer cannot be read', async () => {
    const bad = ['{"action":"explode","time":"2026-11-24T18:02:00Z"}', '{"action":"stop","time":"soon"}', '{}', 'null', '<html>', ''];
    const made = await Promise.all(
      bad.map(async (body) =>
        Object.entries(calls(await serve(tokenServer(body).answer))).map(([call, make]) => [`${call}: ${body}`, make] as const),
      ),
    );
    expect(await notFailing(Object.fromEntries(made.flat()), ['retryable'], 6000)).toEqual({});
    await expect(instanceMetadata(await serve(tokenServer(bad[0] ?? '').answer)).interruption()).rejects.toThrow('explode');
  });

  it('is an error in bounded time when nobody answers, at whatever point', async () => {
    const withToken =
      (answer: RequestListener): RequestListener =>
      (request, response) =>
        void (request.method === 'PUT' ? response.end('t') : answer(request, response));
    const bad: Readonly<Record<string, string>> = {
      'nobody is there': `http://127.0.0.1:${await freePort()}`,
      'the token never comes': await serve(() => undefined),
      'the answer never comes': await serve(withToken(() => undefined)),
      'the answer stops in the middle': await serve(withToken((_, response) => response.writeHead(200, { 'content-length': 99 }).write('{'))),
      'it hangs up': await serve(withToken((request) => request.socket.destroy())),
      'it fails': await serve(withToken((_, response) => response.writeHead(503).end())),
    };
    const made = Object.entries(bad).flatMap(([what, url]) => Object.entries(calls(url)).map(([call, make]) => [`${call}: ${what}`, make] as const));
    expect(await notFailing(Object.fromEntries(made), ['retryable', 'unreachable'], 9000)).toEqual({});
  });
});
