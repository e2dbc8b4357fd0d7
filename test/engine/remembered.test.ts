import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/engine/decide.ts';
import type { MarketView } from '../../src/engine/snapshot.ts';
import { HOUR, market, MINUTE, NOW, record, SETTINGS, spec } from '../support/build.ts';

describe('what the engine remembers of a market', () => {
  const historyMs = 7 * 24 * HOUR;
  const availability: MarketView['availability'] = ['euw3-az1', 'euw3-az2', 'euw3-az3'].map((zone) => ({
    zone,
    instanceType: 'g4dn.xlarge',
    observedFromMs: NOW - historyMs,
    availableAtFirst: true,
    changesMs: [],
    observedEveryMs: MINUTE,
  }));
  const plain = market({ shape: (hour) => (hour >= 22 || hour < 5 ? 0.1 : 0.3) });

  it.each([
    ['with prices alone', plain],
    ['that was watched', { ...plain, availability }],
  ])('%s does not grow with the looks at it', (_, view) => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const job = { record: record([], spec()), attempts: [] };
    const look = (from: number, to: number): void => {
      for (let i = from; i < to; i++) decide({ nowMs: NOW + i * 100, market: view, settings: SETTINGS, jobs: [job] });
    };
    const usedBytes = (): number => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    look(0, 200);
    const before = usedBytes();
    look(200, 1700);
    // An outlook is about 17 kB: 1,500 of them would be 25 MB. A table more, and what the compiler keeps, are far less.
    expect(usedBytes() - before).toBeLessThan(10 * 2 ** 20);
  });
});
