// The chart's Redis with the configuration and the users that the chart renders, and `helm test`'s own script against it and against a
// TLS server that has the chart's certificate.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findRedisServer } from '../../src/adapters/redis-server/find.ts';
import { environment } from '../../src/config/environment.ts';
import { pathsFor } from '../../src/config/paths.ts';
import { CHART, findHelm, helmAt } from '../support/chart/helm.ts';

const found = await findHelm();

describe.skipIf(!found.ok)(`the chart's Redis${found.ok ? '' : ` (skipped: ${found.why})`}`, () => {
  let folder: string;
  let server: ChildProcess;
  let socket: string;
  let port: number;
  let secret: Readonly<Record<string, string>>;
  let tls: Readonly<Record<string, string>>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nerve-chart-'));
    const manifests = await helmAt(found.ok ? found.path : '').render();
    const of = (kind: string, name: string, part: string): Readonly<Record<string, string>> =>
      manifests.find((one) => one.kind === kind && one.metadata.name === name)?.[part] as Readonly<Record<string, string>>;
    secret = of('Secret', 'nerve-agent-redis', 'stringData');
    tls = of('Secret', 'nerve-agent-webhook-tls', 'data');
    writeFileSync(
      join(folder, 'redis.conf'),
      (of('ConfigMap', 'nerve-agent-redis', 'data')['redis.conf'] ?? '').replace('/data', folder).replace('/etc/redis-users', folder),
    );
    writeFileSync(join(folder, 'users.acl'), secret['users.acl'] ?? '');
    const { path } = await findRedisServer({ cacheDir: pathsFor(environment()).cache, pathVariable: '' });
    port = await freePort();
    socket = join(folder, 's');
    // Only what a pod has elsewhere is said otherwise: files, address.
    const here = ['--bind', '127.0.0.1', '--port', String(port), '--unixsocket', socket];
    server = spawn(path, [join(folder, 'redis.conf'), ...here], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    for await (const line of server.stdout ?? []) if ((said += String(line)).includes('Ready to accept connections unix')) break;
    if (server.exitCode !== null || !said.includes('Ready')) throw new Error(`no Redis: ${said}`);
    server.stdout?.resume();
  }, 15 * 60_000);
  afterAll(async () => {
    if (server?.exitCode === null) {
      const ended = once(server, 'exit');
      server.kill();
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  async function as<T>(username: string, password: string | undefined, use: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis({ path: socket, username, password: password ?? '', retryStrategy: () => null });
    redis.on('error', () => undefined);
    try {
      return await use(redis);
    } finally {
      redis.disconnect();
    }
  }

  it('keeps every write, evicts nothing, wakes in time, and packs small streams', async () => {
    const settings = ['appendonly', 'appendfsync', 'maxmemory-policy', 'maxmemory', 'hz', 'stream-node-max-bytes', 'save'];
    const values = await as('default', secret['password'], (redis) => redis.config('GET', ...settings));
    const pairs = Object.fromEntries((values as readonly string[]).flatMap((v, i, all) => (i % 2 === 0 ? [[v, all[i + 1]]] : [])));
    expect(pairs).toEqual({
      appendonly: 'yes',
      appendfsync: 'always',
      'maxmemory-policy': 'noeviction',
      maxmemory: String(320 * 2 ** 20),
      hz: '100',
      'stream-node-max-bytes': '512',
      save: '',
    });
  });

  it('lets nobody in without the password, and none of the two with the other one', async () => {
    const stranger = connect(socket);
    let text = '';
    stranger.on('data', (chunk: Buffer) => (text += chunk.toString()));
    stranger.write(`GET x\r\nAUTH default ${secret['viewer-password']}\r\nAUTH viewer ${secret['password']}\r\nGET x\r\nQUIT\r\n`);
    await once(stranger, 'end');
    expect([...text.matchAll(/^[-+]\w+/gm)].map(String)).toEqual(['-NOAUTH', '-WRONGPASS', '-WRONGPASS', '-NOAUTH', '+OK']);
  });

  it('lets the viewer read records and nothing else', async () => {
    await as('default', secret['password'], (redis) => redis.xadd('job', '1-0', 'event', '{}'));
    await as('viewer', secret['viewer-password'], async (redis) => {
      expect(await redis.xrange('job', '-', '+')).toEqual([['1-0', ['event', '{}']]]);
      expect((await redis.scan('0'))[1]).toEqual(['job']);
      await expect(redis.xadd('job', '2-0', 'event', '{}')).rejects.toThrow('NOPERM');
      await expect(redis.config('GET', '*')).rejects.toThrow('NOPERM');
      await expect(redis.keys('*')).rejects.toThrow('NOPERM');
      await expect(redis.eval('return 1', 0)).rejects.toThrow('NOPERM');
      await expect(redis.flushall()).rejects.toThrow('NOPERM');
    });
  });

  describe('helm test', () => {
    const REVIEWED: unknown[] = [];
    let answerWith: (uid: string) => unknown;
    let webhook: Server;
    beforeAll(async () => {
      const pem = (name: string): string => Buffer.from(tls[name] ?? '', 'base64').toString();
      webhook = createServer({ key: pem('tls.key'), cert: pem('tls.crt') }, (request, response) => {
        let text = '';
        request.on('data', (chunk: Buffer) => (text += chunk.toString()));
        request.on('end', () => {
          const { request: review } = JSON.parse(text) as { readonly request: { readonly uid: string } };
          REVIEWED.push(review);
          response.end(JSON.stringify({ response: answerWith(review.uid) }));
        });
      }).listen(0, '127.0.0.1');
      await once(webhook, 'listening');
    });
    afterAll(() => webhook.close());

    /** The script as the pod runs it; the name of the service leads to the server of this test. */
    function helmTest(redisPassword: string, name = 'nerve-agent-webhook.nerve.svc'): Promise<{ readonly code: number; readonly out: string }> {
      const resolve = `import dns from 'node:dns'; const real = dns.lookup; dns.lookup = (host, options, done) => real(host === '${name}' ? '127.0.0.1' : host, options, done);`;
      writeFileSync(join(folder, 'resolve.mjs'), resolve);
      const env = {
        WEBHOOK_URL: `https://${name}:${(webhook.address() as AddressInfo).port}`,
        REDIS_URL: `redis://:${redisPassword}@127.0.0.1:${port}`,
        CA: Buffer.from(tls['ca.crt'] ?? '', 'base64').toString(),
      };
      return new Promise((done) => {
        const child = execFile(process.execPath, ['--import', join(folder, 'resolve.mjs'), `${CHART}/files/test.mjs`], { env }, (_error, out) =>
          done({ code: child.exitCode ?? -1, out }),
        );
      });
    }

    it('passes when webhook and Redis answer as they must', async () => {
      answerWith = (uid) => ({ uid, allowed: true });
      const { code, out } = await helmTest(secret['password'] ?? '');
      expect(out).toMatch(/^ok {6}the webhook answers.*\nok {6}Redis takes/);
      expect(code).toBe(0);
      expect(REVIEWED).toHaveLength(1);
    });

    it('fails on a webhook that refuses, or changes a pod that is none of its business', async () => {
      answerWith = (uid) => ({ uid, allowed: false });
      expect(await helmTest(secret['password'] ?? '')).toMatchObject({ code: 1, out: expect.stringContaining('unexpected answer') as string });
      answerWith = (uid) => ({ uid, allowed: true, patchType: 'JSONPatch', patch: Buffer.from('[{"op":"add"}]').toString('base64') });
      expect(await helmTest(secret['password'] ?? '')).toMatchObject({ code: 1, out: expect.stringContaining('would change') as string });
    });

    it('fails on a certificate for another name, and on a wrong password', async () => {
      answerWith = (uid) => ({ uid, allowed: true });
      const { code, out } = await helmTest('wrong', 'elsewhere.nerve.svc');
      expect(code).toBe(1);
      expect(out).toMatch(/FAILED {2}the webhook.*altnames.*\nFAILED {2}Redis.*WRONGPASS/s);
    });
  });
});

async function freePort(): Promise<number> {
  const probe = createTcp().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
