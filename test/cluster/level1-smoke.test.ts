// Level 1, small: a real control plane with fake nodes, the worker and the agent as processes with the chart's rights, 50 jobs that arrive as gated,
// adopted pods (as the webhook leaves them), and five interruption notices. Nothing is late, nothing trains twice, everything ends.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNoCluster } from '../support/k8s/control-plane.ts';
import { adoptedPod, OVERHEAD_SECONDS, startWorld, until, type World } from '../support/k8s/world.ts';

const why = await whyNoCluster();
const JOBS = 50;
const NOTICES = 5;

describe.skipIf(why !== null)(`a level-1 cluster${why === null ? '' : ` (skipped: ${why})`}`, () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  }, 1_800_000);
  afterAll(() => world?.stop(), 60_000);

  it('brings fifty jobs through five notices: all end in time, and none trains twice at once', { timeout: 420_000 }, async () => {
    const { trainings, tails } = world;
    for (let index = 0; index < JOBS; index++) {
      const workSeconds = 20 + (index % 5) * 5;
      const slackSeconds = 20 + (index % 7) * 15;
      await world.create(adoptedPod(`j-smoke${index}`, workSeconds, Date.now() + (workSeconds + OVERHEAD_SECONDS + slackSeconds) * 1000));
    }
    await until(() => trainings.running().length >= JOBS / 2, 120_000, tails);
    let given = 0;
    while (given < NOTICES && trainings.ended.size < JOBS) {
      // The busiest spot node: what is on demand is not taken back.
      const busy = Map.groupBy(trainings.running(), ({ node: name }) => name);
      const load = ({ name }: { readonly name: string }): number => busy.get(name)?.length ?? 0;
      const [node] = world.nodes.filter((each) => each.capacityType === 'spot' && load(each) > 0).toSorted((a, b) => load(b) - load(a));
      if (node === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        continue;
      }
      given += 1;
      await world.takeBack(node);
    }
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
