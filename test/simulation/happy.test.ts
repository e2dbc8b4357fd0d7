import { describe, expect, it } from 'vitest';
import { plainNature } from '../support/sim/cluster.ts';
import { NO_FAULTS } from '../support/sim/faults.ts';
import { scenario } from '../support/sim/scenario.ts';
import { runScenario } from '../support/sim/world.ts';

describe('the simulation without faults', () => {
  it('runs one job to its end on spot, on time, for what it was billed', async () => {
    const base = scenario(1);
    const [job] = base.jobs;
    if (job === undefined) throw new Error('no job');
    const plain = {
      ...base,
      weather: 'calm' as const,
      jobs: [{ ...job, acts: [], nature: plainNature(job.spec.workMs) }],
      market: { dry: [], lies: [] },
      cloud: { ...base.cloud, spotLifeMs: null, onDemandLifeMs: null },
      workerFaults: NO_FAULTS,
      agentFaults: NO_FAULTS,
      outages: [],
      pauses: [],
      clockErrors: [],
    };
    const { violations, reports } = await runScenario(plain);
    expect(violations).toEqual([]);
    expect([...reports.values()]).toMatchObject([{ result: 'succeeded', deadlineMet: true, interruptions: 0 }]);
  });
});
