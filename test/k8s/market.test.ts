import { describe, expect, it } from 'vitest';
import { Ledger } from '../../src/adapters/k8s/ledger.ts';
import { kubernetesMarket } from '../../src/adapters/k8s/market.ts';
import { parsePrices } from '../../src/adapters/k8s/prices.ts';
import { POD } from '../../src/engine/pod/names.ts';
import { noticeText } from '../../src/engine/pod/node.ts';
import { launchedAsText } from '../../src/engine/pod/read.ts';
import type { Node } from '../../src/engine/pod/types.ts';
import { AT_MS, pod } from '../engine/pod/pods.ts';

const file = `region: eu-west-3
source: a list
readAt: 2026-11-20T00:00:00Z
prices:
  - instanceType: g6.xlarge
    onDemandUsdPerHour: 1.0
    spotUsdPerHour:
      eu-west-3a: 0.35
      eu-west-3b: 0.37
`;

describe('the price file', () => {
  it.each([
    ['a price below zero', file.replace('0.35', '-1'), 8, 'prices.0.spotUsdPerHour.eu-west-3a'],
    ['a price that is a word', file.replace('onDemandUsdPerHour: 1.0', 'onDemandUsdPerHour: cheap'), 6, 'prices.0.onDemandUsdPerHour'],
    ['a missing price', file.replace('    onDemandUsdPerHour: 1.0\n', ''), 5, 'prices.0.onDemandUsdPerHour'],
    ['a time without a zone', file.replace('00Z', '00'), 3, 'readAt'],
    ['broken YAML', file.replace('source: a list', 'source: [a'), 3, 'the YAML'],
  ])('names line and field of %s', (_, text, line, field) => {
    expect(() => parsePrices(text, 'prices.yaml')).toThrow(expect.objectContaining({ kind: 'usage', fields: { file: 'prices.yaml', line, field } }));
  });

  it.each(['', '{}\n', '# nothing\n'])('that says nothing (%j) is none', (text) => expect(parsePrices(text, 'prices.yaml')).toBeNull());
});

const nodeIn = (zone: string, capacityType: string, annotations: Readonly<Record<string, string>> = {}, type = 'g6.xlarge'): Node => ({
  metadata: {
    name: `n-${zone}-${capacityType}`,
    labels: { 'topology.kubernetes.io/zone': zone, 'karpenter.sh/capacity-type': capacityType, 'node.kubernetes.io/instance-type': type },
    annotations,
  },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
});

function marketOf(ledger: Ledger, prices = parsePrices(file, 'prices.yaml')) {
  const clock = { nowMs: AT_MS };
  const market = kubernetesMarket({
    prices,
    ledger,
    clock: { nowMs: () => clock.nowMs, realNowMs: () => clock.nowMs, sleep: async () => undefined, speed: 1 },
    placementTimeoutMs: 300_000,
    region: 'eu-west-3',
  });
  const offered = async (): Promise<string[]> =>
    (await market.view()).offerings
      .filter((o) => o.available)
      .map((o) => `${o.zone} ${o.capacityType} ${o.priceUsdPerHour}`)
      .toSorted();
  return { market, clock, offered };
}

const ALL = ['eu-west-3a on-demand 1', 'eu-west-3a spot 0.35', 'eu-west-3b on-demand 1', 'eu-west-3b spot 0.37'];

describe('the market of a cluster', () => {
  it('goes through all pods once a second, however many looks ask for it', async () => {
    const ledger = new Ledger();
    let times = 0;
    const jobs = ledger.unplacedJobs.bind(ledger);
    ledger.unplacedJobs = () => {
      times += 1;
      return jobs();
    };
    const { market, clock } = marketOf(ledger);
    for (let look = 0; look < 100; look++) await market.view();
    expect(times).toBe(1);
    clock.nowMs += 1000;
    await market.view();
    expect(times).toBe(2);
  });

  it('offers what the file prices, with its source and age', async () => {
    const { market, offered } = marketOf(new Ledger());
    expect(await offered()).toEqual(ALL);
    const view = await market.view();
    expect(view.simulated).toEqual([]);
    expect(view.offerings[0]?.pricedAtMs).toBe(Date.parse('2026-11-20T00:00:00Z'));
    expect(view.carbon).toMatchObject({ signal: 'average', source: expect.stringContaining('typical') });
  });

  it('says of a price that nobody gave that it is assumed', async () => {
    const ledger = new Ledger();
    ledger.nodeChanged(nodeIn('eu-west-3a', 'spot', {}, 'strange.large'));
    ledger.nodeChanged(nodeIn('eu-west-3a', 'on-demand', {}, 'strange.large'));
    const { market, offered } = marketOf(ledger, null);
    expect(await offered()).toEqual(['eu-west-3a on-demand 1', 'eu-west-3a spot 0.35']);
    expect((await market.view()).simulated).toEqual(['prices']);
  });

  it('learns from a pod that nothing takes that its zone has no spot, and forgets it after a while', async () => {
    const ledger = new Ledger();
    const { clock, offered } = marketOf(ledger);
    const asked = { attempt: 1, zone: 'eu-west-3a', instanceType: 'g6.xlarge', capacityType: 'spot' as const, priceUsdPerHour: 0.35, atMs: AT_MS };
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime: '2026-11-25T10:00:00Z' }];
    ledger.podChanged(pod({ metadata: { annotations: { [POD.launchedAs]: launchedAsText(asked) } }, status: { conditions } }));
    clock.nowMs = AT_MS + 60_000;
    expect(await offered()).toEqual(ALL);
    clock.nowMs = AT_MS + 200_000;
    expect(await offered()).toEqual(ALL.filter((each) => each !== 'eu-west-3a spot 0.35'));
    ledger.podGone(pod({ metadata: { annotations: { [POD.finished]: 'x' } } }), clock.nowMs);
    clock.nowMs = AT_MS + 1_000_000;
    expect(await offered()).toEqual(ALL);
  });

  it('learns from an interruption notice', async () => {
    const ledger = new Ledger();
    const { clock, offered } = marketOf(ledger);
    const annotations = { 'nerve.io/interruption': noticeText({ action: 'terminate', noticedAtMs: AT_MS, endsAtMs: AT_MS + 120_000 }) };
    ledger.nodeChanged(nodeIn('eu-west-3b', 'spot', annotations));
    expect(await offered()).toEqual(ALL.filter((each) => each !== 'eu-west-3b spot 0.37'));
    ledger.nodeGone(nodeIn('eu-west-3b', 'spot'));
    clock.nowMs = AT_MS + 599_000;
    expect(await offered()).not.toContain('eu-west-3b spot 0.37');
    clock.nowMs = AT_MS + 601_000;
    expect(await offered()).toEqual(ALL);
  });

  it('meters hour by hour, because the grid differs by the hour', async () => {
    const { market } = marketOf(new Ledger());
    const place = { zone: 'eu-west-3a', instanceType: 'g6.xlarge', capacityType: 'spot' as const };
    const segments = await market.meter({ ...place, fromMs: AT_MS + 1_800_000, toMs: AT_MS + 9_000_000 });
    expect(segments.map((s) => (s.toMs - s.fromMs) / 60_000)).toEqual([30, 60, 30]);
    expect(segments.every((s) => s.priceUsdPerHour === 0.35)).toBe(true);
    expect(new Set(segments.map((s) => s.carbonGramsPerKwh)).size).toBeGreaterThan(1);
  });
});
