// What a webhook costs that answers, hangs or is dead, and how gates open when Nerve is dead or uninstalled: on a real API server.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { whyNoCluster } from '../support/k8s/control-plane.ts';
import { type FailSafe, isHeld, simplePod, startFailSafe } from '../support/k8s/fail-safe.ts';

const skipped = await whyNoCluster();
vi.setConfig({ testTimeout: 60_000, hookTimeout: 300_000 });

describe.skipIf(skipped !== null)(`the fail-safe on a real control plane${skipped === null ? '' : ` (skipped: ${skipped})`}`, () => {
  let safe: FailSafe;
  beforeAll(async () => {
    safe = await startFailSafe();
    await safe.beats();
    await safe.untilHeld(true);
    await safe.create(simplePod());
  });
  afterAll(() => safe?.stop());

  it('costs a labelled pod less than 15 ms at 20 pods a second, and a killed or frozen webhook less than 2.5 s', async () => {
    await safe.beats();
    const [labelled, unlabelled]: [number[], number[]] = [[], []];
    for (let i = 0; i < 200; i++) {
      const next = performance.now() + 50;
      const labels = i % 2 === 0 ? { 'nerve.io/tier': 'async' } : { app: 'x' };
      (i % 2 === 0 ? labelled : unlabelled).push(await timed(() => safe.create(simplePod(labels))));
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
    }
    const difference = median(labelled) - median(unlabelled);
    console.log(
      `median ms: labelled ${median(labelled).toFixed(1)}, unlabelled ${median(unlabelled).toFixed(1)}, difference ${difference.toFixed(1)}`,
    );
    expect(difference).toBeLessThan(15);

    safe.webhook.signal('SIGSTOP');
    const frozen = await timed(() => safe.create(simplePod()));
    safe.webhook.signal('SIGCONT');
    await safe.webhook.kill();
    const killed = await Promise.all(Array.from({ length: 20 }, () => timed(() => safe.create(simplePod()))));
    console.log(`frozen ${frozen.toFixed(0)} ms, killed at most ${Math.max(...killed).toFixed(0)} ms`);
    expect(frozen).toBeLessThan(median(unlabelled) + 2500);
    expect(Math.max(...killed)).toBeLessThan(2500);
    await safe.webhook.start();
    await safe.untilHeld(true);
  }, 120_000);

  it('watchdog: leaves gates alone while the beat moves', async () => {
    const moving = setInterval(() => void safe.beats(), 2000);
    const { stdout } = await safe.watchdog('--json');
    clearInterval(moving);
    expect(JSON.parse(stdout)).toMatchObject({ found: 'alive' });
    expect((await safe.listed()).some(isHeld)).toBe(true);
  }, 60_000);

  it('watchdog: opens every gate when it has stopped for 90 s, and the webhook holds nothing more', async () => {
    const from = Date.now();
    const { code, stdout } = await safe.watchdog('--json');
    const seconds = (Date.now() - from) / 1000;
    console.log(`watchdog: ${stdout.replace(/\s+/g, ' ')} after ${seconds.toFixed(0)} s`);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { found: 'dead', left: 0 }]);
    expect((await safe.listed()).filter(isHeld)).toEqual([]);
    await safe.untilHeld(false);
  }, 200_000);

  it('uninstall: none is left gated although a client creates ten labelled pods a second', async () => {
    await safe.beats();
    await safe.untilHeld(true);
    let failures = 0;
    let createdPods = 0;
    const client = setInterval(() => {
      createdPods += 1;
      safe.create(simplePod()).catch(() => (failures += 1));
    }, 100);
    await vi.waitFor(async () => expect((await safe.listed()).filter(isHeld).length).toBeGreaterThan(10), { timeout: 20_000 });
    const before = await safe.watchdog('--uninstall', 'before');
    // What Helm does in between.
    safe.webhook.signal('SIGTERM');
    await safe.webhook.unregister();
    const after = await safe.watchdog('--uninstall', 'after');
    clearInterval(client);
    await vi.waitFor(async () => expect((await safe.listed()).length).toBeGreaterThan(createdPods - 5));
    console.log(`uninstall: ${createdPods} pods created meanwhile, ${failures} failed`);
    expect([before.code, after.code, failures]).toEqual([0, 0, 0]);
    expect((await safe.listed()).filter(isHeld)).toEqual([]);
  }, 120_000);
});

async function timed(run: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await run();
  return performance.now() - from;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
