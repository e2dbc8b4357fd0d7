// `nerve simulate` on a 7-day trace with 1,000 jobs, every policy: less than 10 s of one core, and totals that are sums.

import { sampleJobs } from '../src/terminal/simulate-input.ts';
import { POLICIES } from '../src/simulate/policies.ts';
import { simulate } from '../src/simulate/run.ts';
import { syntheticTrace } from '../src/simulate/synthetic.ts';

const MOST_SECONDS = 10;
const trace = syntheticTrace('bench', Date.UTC(2026, 0, 5), 7);
const jobs = sampleJobs(trace, 'bench', 1000);
const before = process.cpuUsage();
const results = simulate({ trace, jobs, policies: POLICIES, startOverheadMs: 300_000 });
const spent = process.cpuUsage(before);
const seconds = (spent.user + spent.system) / 1e6;
for (const { policy, totals } of results) console.log(`${policy.padEnd(17)} ${totals.costUsd.toFixed(2)} USD, ${totals.late} late`);
const sums = results.every(({ totals, jobs: of }) => Math.abs(of.reduce((sum, job) => sum + job.costUsd, 0) - totals.costUsd) < 1e-6);
console.log(`1,000 jobs, 7 days, ${POLICIES.length} policies: ${seconds.toFixed(1)} s of CPU (at most ${MOST_SECONDS})`);
if (!sums) console.error('OUT OF RANGE: a total is not the sum of its reports');
if (seconds > MOST_SECONDS) console.error(`OUT OF RANGE: ${seconds.toFixed(1)} s`);
process.exitCode = sums && seconds <= MOST_SECONDS ? 0 : 1;
