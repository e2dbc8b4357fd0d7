// Kept pods in a real Redis: nobody without the key reads or makes one.

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/adapters/system/log.ts';
import { createVault as create } from '../../src/queue/vault.ts';
import { pod } from '../engine/pod/pods.ts';
import { type TestRedis, testRedis } from '../support/redis.ts';

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await testRedis();
  redis = new Redis({ path: server.url });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const key = Buffer.from('a key of thirty-two random bytes');
let refused: string[] = [];
const createVault: (...at: [Redis, Buffer, typeof silentLog]) => ReturnType<typeof create> = (at, secret, log) =>
  create(at, secret, { refused: (what) => void refused.push(what) }, log);
const kept = pod({ spec: { serviceAccountName: 'trainer' } });

describe('the vault', () => {
  it('gives back what was kept, and nothing after it was forgotten', async () => {
    const vault = createVault(redis, key, silentLog);
    await vault.keep('j-1', kept);
    expect(await vault.open('j-1')).toEqual(kept);
    expect((await redis.getBuffer('nerve:pod:j-1'))?.includes('trainer')).toBe(false);
    await vault.forget('j-1');
    expect(await vault.open('j-1')).toBeNull();
    expect(refused).toEqual([]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a pod written by hand', () => redis.set('nerve:pod:j-2', JSON.stringify(pod({ spec: { hostNetwork: true } })))],
    ['a pod sealed with another key', () => createVault(redis, Buffer.from('another key'), silentLog).keep('j-2', kept)],
    [
      'a pod of another job',
      async () => {
        await createVault(redis, key, silentLog).keep('j-3', kept);
        await redis.copy('nerve:pod:j-3', 'nerve:pod:j-2', 'REPLACE');
      },
    ],
    [
      'a pod with one bit changed',
      async () => {
        await createVault(redis, key, silentLog).keep('j-2', kept);
        const value = (await redis.getBuffer('nerve:pod:j-2')) ?? Buffer.alloc(0);
        value.writeUInt8(value.readUInt8(40) ^ 1, 40);
        await redis.set('nerve:pod:j-2', value);
      },
    ],
    ['nothing but a few bytes', () => redis.set('nerve:pod:j-2', 'short')],
  ])('refuses %s, and counts it', async (_, forge) => {
    refused = [];
    await redis.del('nerve:pod:j-2');
    await forge();
    const vault = createVault(redis, key, silentLog);
    expect(await vault.open('j-2')).toBeNull();
    expect(refused).toEqual(['sealed-pod']);
  });
});
