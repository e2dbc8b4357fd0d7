// What has to be asked of the market before facts are appended: prices and grid in force while an attempt ran, and
// for the counterfactual (start at once, on demand, uninterrupted).

import { fold } from './fold.ts';
import type { CapacityType } from './job.ts';
import { outlook } from './objective.ts';
import type { JobEvent, JobRecord, UsageSegment } from './record.ts';
import type { MarketView, ObservedAttempt } from './snapshot.ts';
import type { EngineSettings } from './snapshot.ts';

export interface UsageAsk {
  readonly zone: string;
  readonly instanceType: string;
  readonly capacityType: CapacityType;
  readonly fromMs: number;
  readonly toMs: number;
}

export type Metering = (ask: UsageAsk) => Promise<readonly UsageSegment[]>;

/** The same events with usage and counterfactual filled in. */
export async function withUsage(
  record: JobRecord,
  facts: readonly JobEvent[],
  seen: readonly ObservedAttempt[],
  market: MarketView,
  settings: EngineSettings,
  meter: Metering,
): Promise<readonly JobEvent[]> {
  const state = fold({ ...record, events: [...record.events, ...facts] });
  const filled: JobEvent[] = [];
  for (const event of facts) {
    if (event.type === 'ended' && event.cause !== 'not-placed') {
      const attempt = state.attempts.find((a) => a.attempt === event.attempt);
      const object = seen.find((o) => o.attempt === event.attempt);
      const fromMs = object === undefined ? attempt?.launchedAtMs : object.placedAtMs;
      const placed = attempt !== undefined && fromMs !== null && fromMs !== undefined && fromMs < event.atMs;
      const { zone = '', instanceType = '', capacityType = 'spot' } = attempt ?? {};
      filled.push({ ...event, usage: placed ? await meter({ zone, instanceType, capacityType, fromMs, toMs: event.atMs }) : [] });
    } else if (event.type === 'finished' && event.usefulWorkMs > 0) {
      const choice = outlook(market, state.lastEventAtMs, { ...state.spec, maxPriceUsdPerHour: null }).onDemand.toSorted(
        (a, b) => a.objectiveUsdPerHour - b.objectiveUsdPerHour,
      )[0];
      const fromMs = state.spec.submittedAtMs;
      // As long as a start took this job itself. Where no resume point was ever seen, the start is part of the work already.
      const ran = state.attempts.some((a) => a.resumed !== null);
      const overheadMs = ran ? (state.measuredStartOverheadMs ?? settings.startOverheadMs) : 0;
      const toMs = fromMs + event.usefulWorkMs + overheadMs;
      const counterfactual =
        choice === undefined
          ? null
          : {
              instanceType: choice.offering.instanceType,
              usage: await meter({ zone: choice.offering.zone, instanceType: choice.offering.instanceType, capacityType: 'on-demand', fromMs, toMs }),
            };
      filled.push({ ...event, counterfactual });
    } else filled.push(event);
  }
  return filled;
}
