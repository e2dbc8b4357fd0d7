// The bundle carries BullMQ's Lua without its comments (scripts/light-queue.ts): each script must still be one, and say the same.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lightLua } from '../../scripts/light-queue.ts';
import { testRedis } from '../support/redis.ts';

const folder = join(dirname(createRequire(import.meta.url).resolve('bullmq')), '..', 'esm', 'scripts');
const scripts = readdirSync(folder).filter((name) => /-\d+\.js$/.test(name));
const luaOf = (name: string): string => {
  const text = readFileSync(join(folder, name), 'utf8');
  return text
    .slice(text.indexOf('`') + 1, text.lastIndexOf('`'))
    .replaceAll('\\`', '`')
    .replaceAll('\\\\', '\\');
};
/** Names, numbers, texts and operators in order: all that Lua sees of a script. */
const tokens = (lua: string): readonly string[] =>
  [...lua.matchAll(/--\[\[[^]*?\]\]|--[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\w+|[^\s\w]/g)]
    .map(([token]) => token)
    .filter((token) => !token.startsWith('--'));

describe("BullMQ's scripts in the bundle", () => {
  let redis: Redis;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    const server = await testRedis();
    redis = new Redis(server.url);
    stop = () => server.stop();
  });
  afterAll(async () => {
    redis.disconnect();
    await stop();
  });

  it('are there, and much smaller', () => {
    expect(scripts.length).toBeGreaterThan(40);
    const whole = scripts.map(luaOf).join('').length;
    expect(scripts.map((name) => lightLua(luaOf(name))).join('').length).toBeLessThan(0.7 * whole);
  });

  it.each(scripts)('%s compiles, and says the same', async (name) => {
    const light = lightLua(luaOf(name));
    expect(await redis.script('LOAD', light)).toMatch(/^[0-9a-f]{40}$/);
    expect(tokens(light)).toEqual(tokens(luaOf(name)));
  });
});
