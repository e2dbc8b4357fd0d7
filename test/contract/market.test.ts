import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createCloud } from '../../src/adapters/local/cloud.ts';
import { cloudClient } from '../../src/adapters/local/cloud-client.ts';
import { serveCloud } from '../../src/adapters/local/cloud-server.ts';
import { simulatedMarket } from '../../src/adapters/local/market.ts';
import type { Clock } from '../../src/ports.ts';
import { NOW } from '../support/build.ts';
import { quiet, wallClock } from '../support/clock.ts';
import { simMarket } from '../support/sim/market.ts';
import { simTime } from '../support/sim/time.ts';
import { marketContract } from './market.ts';
import { notFailing } from './outage.ts';

marketContract('memory', async () => {
  const time = simTime(NOW);
  return {
    market: simMarket(time, 1, { dry: [], lies: [] }),
    nowMs: () => time.nowMs(),
    pass: async (ms) => {
      time.at(time.nowMs() + ms, () => undefined);
      await time.run(time.nowMs() + ms, () => false);
    },
    close: async () => undefined,
  };
});

marketContract('this machine', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nm-'));
  let nowMs = Date.parse('2026-11-24T18:00:00+01:00') + 1234;
  const clock: Clock = { ...wallClock, nowMs: () => nowMs };
  const cloud = createCloud({
    clock,
    log: quiet,
    noticeRealMs: 120_000,
    state: { weather: { seed: 'market', droughtFromMs: null }, nodes: {}, attempts: {} },
    save: () => undefined,
    freePort: async () => 4711,
    onNode: () => undefined,
    onNodeGone: () => undefined,
    onForget: () => undefined,
    onShutDown: () => undefined,
  });
  const server = await serveCloud(cloud, join(folder, 'cloud.sock'));
  const client = cloudClient(join(folder, 'cloud.sock'));
  return {
    market: simulatedMarket(() => client.weather({}), clock),
    nowMs: () => nowMs,
    pass: async (ms) => {
      nowMs += ms;
    },
    close: async () => {
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

describe('market: this machine', () => {
  it('whose cloud is away is unreachable, in bounded time', async () => {
    const client = cloudClient(join(tmpdir(), 'nobody-is-here.sock'));
    const market = simulatedMarket(() => client.weather({}), wallClock);
    const ask = { zone: 'euw3-az2', instanceType: 'g4dn.xlarge', capacityType: 'spot', fromMs: NOW, toMs: NOW + 1 } as const;
    expect(await notFailing({ view: () => market.view(), meter: () => market.meter(ask) }, ['unreachable'], 6000)).toEqual({});
  });
});
