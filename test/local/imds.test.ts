// The contract between the metadata endpoint of a local node and the adapter that reads EC2's: what one says, the other understands.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { instanceMetadata } from '../../src/adapters/aws/imds.ts';
import type { CloudNode } from '../../src/adapters/local/cloud.ts';
import { type ImdsServer, startImds } from '../../src/adapters/local/imds-server.ts';

const TOKEN = '/latest/api/token';
const ACTION = '/latest/meta-data/spot/instance-action';
const ENDS = Date.parse('2026-11-24T18:02:00Z');

const calm: CloudNode = {
  name: 'i-0123456789abcdef0',
  zone: 'euw3-az2',
  instanceType: 'g4dn.xlarge',
  capacityType: 'spot',
  createdAtMs: 0,
  interruption: null,
  rebalanceAtMs: null,
  cordonedBy: null,
  noticeEndsRealMs: null,
  rebalanceRealMs: null,
};
let node: CloudNode | null = calm;
const servers: { close(): void }[] = [];
afterEach(() => {
  node = calm;
  vi.useRealTimers();
  for (const server of servers.splice(0)) server.close();
});

async function start(): Promise<ImdsServer> {
  const server = await startImds('eu-west-3', () => node);
  servers.push(server);
  return server;
}

const token = async (url: string, ttl = '60'): Promise<string> =>
  (await fetch(url + TOKEN, { method: 'PUT', headers: { 'X-aws-ec2-metadata-token-ttl-seconds': ttl } })).text();
const status = async (url: string, path: string, value?: string): Promise<number> =>
  (await fetch(url + path, { headers: value === undefined ? {} : { 'X-aws-ec2-metadata-token': value } })).status;

describe('the endpoint', () => {
  it('gives nothing without a token, and nothing for a wrong one', async () => {
    const { url } = await start();
    expect(await status(url, ACTION)).toBe(401);
    expect(await status(url, ACTION, 'guess')).toBe(401);
  });

  it('gives a token only by PUT, with a time to live of one second to six hours', async () => {
    const { url } = await start();
    expect((await fetch(url + TOKEN)).status).toBe(405);
    for (const ttl of ['', '0', '21601', 'x'])
      expect((await fetch(url + TOKEN, { method: 'PUT', headers: { 'X-aws-ec2-metadata-token-ttl-seconds': ttl } })).status).toBe(400);
    expect((await fetch(url + TOKEN, { method: 'PUT' })).status).toBe(400);
    expect(await token(url)).toMatch(/^\S{20,}$/);
  });

  it('says 404 while there is no notice, and for everything once the node is gone', async () => {
    const { url } = await start();
    const value = await token(url);
    expect(await status(url, ACTION, value)).toBe(404);
    expect(await status(url, '/latest/meta-data/placement/region', value)).toBe(200);
    node = null;
    expect(await status(url, '/latest/meta-data/placement/region', value)).toBe(404);
  });

  it('says where the machine is and what it is', async () => {
    const { url } = await start();
    const value = await token(url);
    const read = async (path: string): Promise<string> =>
      (await fetch(`${url}/latest/meta-data/${path}`, { headers: { 'X-aws-ec2-metadata-token': value } })).text();
    expect(await read('placement/availability-zone-id')).toBe('euw3-az2');
    expect(await read('placement/availability-zone')).toBe('eu-west-3b');
    expect(await read('instance-type')).toBe('g4dn.xlarge');
    expect(await read('instance-life-cycle')).toBe('spot');
    expect(await read('instance-id')).toBe(calm.name);
  });

  it('does not know a token after its time', async () => {
    const { url } = await start();
    const value = await token(url, '1');
    expect(await status(url, ACTION, value)).toBe(404);
    await expect.poll(() => status(url, ACTION, value), { timeout: 5000 }).toBe(401);
  });
});

describe('the adapter', () => {
  it('reads no notice, a notice, and a rebalance recommendation', async () => {
    const { url } = await start();
    const metadata = instanceMetadata(url);
    expect(await metadata.interruption()).toBeNull();
    expect(await metadata.rebalance()).toBeNull();
    node = { ...calm, noticeEndsRealMs: ENDS, rebalanceRealMs: ENDS - 120_000 };
    expect(await metadata.interruption()).toEqual({ action: 'terminate', endsAtRealMs: ENDS });
    expect(await metadata.rebalance()).toEqual({ noticeRealMs: ENDS - 120_000 });
  });

  it('asks for one token and keeps it', async () => {
    const asked = vi.spyOn(globalThis, 'fetch');
    const metadata = instanceMetadata((await start()).url);
    await metadata.interruption();
    await metadata.interruption();
    expect(asked.mock.calls.filter(([url]) => typeof url === 'string' && url.endsWith(TOKEN))).toHaveLength(1);
    asked.mockRestore();
  });

  it('gets itself a new token when the endpoint has forgotten the old one', async () => {
    const first = await start();
    const port = Number(new URL(first.url).port);
    const metadata = instanceMetadata(first.url);
    await metadata.interruption();
    first.close();
    // The same address, another memory: as after a restart of the metadata service.
    const second = await start();
    const relay = createServer((request, response) => {
      const headers = { ...request.headers } as Record<string, string>;
      void fetch(second.url + (request.url ?? ''), { method: request.method ?? 'GET', headers }).then(async (answer) =>
        response.writeHead(answer.status).end(await answer.text()),
      );
    });
    await new Promise<void>((resolve) => relay.listen(port, '127.0.0.1', resolve));
    servers.push(relay);
    node = { ...calm, noticeEndsRealMs: ENDS };
    // A connection that was kept open may fail once; the agent asks again at its next poll.
    await expect.poll(() => metadata.interruption().catch(() => 'away')).toEqual({ action: 'terminate', endsAtRealMs: ENDS });
  });

  it('gives up, with a hint, on an endpoint that refuses its own tokens', async () => {
    const stubborn = createServer((request, response) => response.writeHead(request.method === 'PUT' ? 200 : 401).end('t'));
    await new Promise<void>((resolve) => stubborn.listen(0, '127.0.0.1', resolve));
    servers.push(stubborn);
    const metadata = instanceMetadata(`http://127.0.0.1:${(stubborn.address() as AddressInfo).port}`);
    await expect(metadata.interruption()).rejects.toMatchObject({ kind: 'retryable', hint: expect.stringContaining('hop limit') });
  });

  it('never falls back to asking without a token', async () => {
    const asked: string[] = [];
    const v1 = createServer((request, response) => {
      asked.push(`${request.method} ${String(request.headers['x-aws-ec2-metadata-token'] ?? 'no token')}`);
      response.writeHead(request.method === 'PUT' ? 403 : 200).end('{"action":"terminate","time":"2026-11-24T18:02:00Z"}');
    });
    await new Promise<void>((resolve) => v1.listen(0, '127.0.0.1', resolve));
    servers.push(v1);
    await expect(instanceMetadata(`http://127.0.0.1:${(v1.address() as AddressInfo).port}`).interruption()).rejects.toMatchObject({
      kind: 'retryable',
    });
    expect(asked).toEqual(['PUT no token']);
  });

  it('does not take an unknown notice for none', async () => {
    const strange = createServer((request, response) => response.writeHead(200).end(request.method === 'PUT' ? 't' : '{"action":"explode"}'));
    await new Promise<void>((resolve) => strange.listen(0, '127.0.0.1', resolve));
    servers.push(strange);
    await expect(instanceMetadata(`http://127.0.0.1:${(strange.address() as AddressInfo).port}`).interruption()).rejects.toThrow('explode');
  });
});
