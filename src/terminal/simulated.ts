// A simulation as people read it: one bar a policy, and what it would have cost, emitted and risked.

import type { MarketTrace } from '../simulate/market-trace.ts';
import type { Simulated } from '../simulate/run.ts';
import { count, grams, percent, table, usd } from './figures.ts';
import { span } from './when.ts';

const BAR = 32;

export function simulatedLines(trace: MarketTrace, results: readonly Simulated[]): readonly string[] {
  const dearest = Math.max(1e-9, ...results.map((r) => r.totals.costUsd));
  const onDemand = results.find((r) => r.policy === 'on-demand')?.totals;
  const rows = results.map(({ policy, totals: t }) => [
    policy,
    bar(t.costUsd / dearest),
    usd(t.costUsd),
    onDemand === undefined ? '' : percent(t.costUsd, onDemand.costUsd),
    trace.gramsPerKwh.length === 0 ? '-' : grams(t.carbonGrams),
    `${t.interruptions}`,
    `${Math.round(t.onDemandHours)} h`,
    t.late === 0 ? '0' : `${t.late} (by ${span(t.latestMs)} at most)`,
  ]);
  const jobs = results[0]?.totals.jobs ?? 0;
  return [
    `${count(jobs, 'job')} on a ${trace.source}: ${trace.zones.length} zones, ${trace.instanceType}, on demand ${usd(trace.onDemandUsdPerHour)}/h, ticks of ${span(trace.tickMs)}`,
    ...trace.oddities.map((line) => `note: ${line}`),
    '',
    table([['POLICY', '', 'COST', 'OF ON DEMAND', 'CARBON', 'INTERRUPTIONS', 'ON DEMAND', 'LATE'], ...rows]),
    '',
    `on-demand: at once, uninterrupted. hindsight: the best that anybody could have done who knew the future.${hopeless(results)}`,
  ];
}

/** In hindsight only what nobody could do is late. */
function hopeless(results: readonly Simulated[]): string {
  const late = results.find((r) => r.policy === 'hindsight')?.totals.late ?? 0;
  return late === 0
    ? ''
    : ` ${count(late, 'job')} could not have been done in time by anybody: hindsight starts ${late === 1 ? 'it' : 'them'} at once.`;
}

function bar(share: number): string {
  const eighths = Math.round(share * BAR * 8);
  const rest = eighths % 8;
  return `${'█'.repeat(Math.floor(eighths / 8))}${rest === 0 ? '' : ' ▏▎▍▌▋▊▉'.charAt(rest)}`.padEnd(BAR);
}
