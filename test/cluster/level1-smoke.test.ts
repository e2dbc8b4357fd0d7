// Level 1, small: a real control plane with fake nodes, the worker and the agent as processes with the chart's rights, 50 jobs that arrive as gated,
// adopted pods (as the webhook leaves them), and five interruption notices. Nothing is late, nothing trains twice, everything ends.

import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNoCluster } from '../support/k8s/control-plane.ts';
import { adoptedPod, OVERHEAD_SECONDS, startWorld, until, type World } from '../support/k8s/world.ts';

const why = await whyNoCluster();
const JOBS = 50;
const NOTICES = 5;
const NOTICE_EVERY_MS = 6000;

describe.skipIf(why !== null)(`a level-1 cluster${why === null ? '' : ` (skipped: ${why})`}`, () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  }, 1_800_000);
  afterAll(() => world?.stop(), 60_000);

  it('brings fifty jobs through five notices: all end in time, and none trains twice at once', { timeout: 420_000 }, async () => {
    const { trainings, tails } = world;
    for (let index = 0; index < JOBS; index++) {
      const workSeconds = 30 + (index % 5) * 5;
      const slackSeconds = 20 + (index % 7) * 15;
      await world.create(adoptedPod(`j-smoke${index}`, workSeconds, Date.now() + (workSeconds + OVERHEAD_SECONDS + slackSeconds) * 1000));
    }
    await until(() => trainings.running().length >= JOBS / 5, 120_000, tails);
    // The busiest spot node each time, a notice every six seconds: a second one comes while the first still counts down.
    const taken = new Map<string, Promise<void>>();
    while (taken.size < NOTICES && trainings.ended.size < JOBS) {
      const busy = Map.groupBy(trainings.running(), ({ node: name }) => name);
      const load = ({ name }: { readonly name: string }): number => (taken.has(name) ? 0 : (busy.get(name)?.length ?? 0));
      const [node] = world.nodes.filter((each) => each.capacityType === 'spot' && load(each) > 0).toSorted((a, b) => load(b) - load(a));
      if (node !== undefined) taken.set(node.name, world.takeBack(node));
      await pause(node === undefined ? 500 : NOTICE_EVERY_MS);
    }
    await Promise.all(taken.values());
    const given = taken.size;
    await until(
      () => trainings.ended.size >= JOBS,
      240_000,
      () => `${trainings.ended.size} of ${JOBS} ended; ${tails()}`,
    );
    const ended = [...trainings.ended.values()];
    const late = ended.filter((job) => job.atMs > job.deadlineMs);
    const moved = ended.filter((job) => job.attempts > 1).length;
    const redoneSeconds = ended.reduce((sum, job) => sum + job.redone, 0) / 10;
    console.log(`${given} notices, ${moved} of ${JOBS} jobs moved, ${redoneSeconds} s of work redone, ${late.length} late`);
    expect(trainings.faults).toEqual([]);
    expect(late).toEqual([]);
    expect(given).toBe(NOTICES);
    expect(moved).toBeGreaterThan(0);
    // What the worker says of them on their pods.
    await until(
      async () => {
        const byJob = Map.groupBy(await world.pods(), (pod) => pod.metadata.labels?.['nerve.io/job-id'] ?? '');
        return [...byJob.values()].every((pods) => pods.some((pod) => pod.metadata.annotations?.['nerve.io/state'] === 'succeeded'));
      },
      60_000,
      tails,
    );
  });
});
