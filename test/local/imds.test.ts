// The metadata endpoint of a local node speaks IMDSv2. That the adapter which reads EC2's understands it is its contract:
// test/contract/instance-metadata.ts.

import { afterEach, describe, expect, it } from 'vitest';
import type { CloudNode } from '../../src/adapters/local/cloud.ts';
import { type ImdsServer, startImds } from '../../src/adapters/local/imds-server.ts';

const TOKEN = '/latest/api/token';
const ACTION = '/latest/meta-data/spot/instance-action';

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
