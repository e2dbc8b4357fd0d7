// Planted bugs: each is a change of the ports, so that the real worker behaves as if it had the bug. The simulation must find every one.

import type { JobId } from '../../../src/engine/job.ts';
import { pendingAttempt } from '../../../src/engine/pending.ts';
import type { LaunchAsk } from '../../../src/ports.ts';
import type { Plant } from './world.ts';

const planted = (layer: Plant['layer'], change: Plant['change']): Plant => ({ layer, change });

/** `act` after its event: the launch is only made once `launched` was appended, and is lost when the worker dies between the two. */
export const actsAfterAppending: Plant = planted('outside', (ports, { time, process }) => {
  const promised = new Map<JobId, LaunchAsk>();
  return {
    ...ports,
    cluster: {
      ...ports.cluster,
      launch: async (ask) => {
        const known = (await ports.cluster.attemptsOf(ask.spec.id)).find((a) => a.name === ask.name);
        if (known !== undefined) return known;
        promised.set(ask.spec.id, ask);
        const [first] = ask.ranked;
        if (first === undefined) throw new Error('an ask without a place');
        return pendingAttempt({ name: ask.name, jobId: ask.spec.id, attempt: ask.attempt }, first, process.clock.nowMs());
      },
    },
    records: {
      ...ports.records,
      append: async (jobId, version, events) => {
        const answer = await ports.records.append(jobId, version, events);
        const ask = promised.get(jobId);
        promised.delete(jobId);
        if (answer !== 'conflict' && ask !== undefined) {
          await time.sleep(50);
          if (process.alive()) await ports.cluster.launch(ask);
        }
        return answer;
      },
    },
  };
});

/** A processor that forgets to re-arm after every fifth look, while the list of alarms says that all is well. */
export const forgetsToRearm: Plant = planted('outside', (ports, { process }) => {
  const forgotten = new Set<JobId>();
  let looks = 0;
  const wake = async (jobId: JobId): Promise<boolean> => !forgotten.has(jobId) && ports.alarms.wake(jobId);
  return {
    ...ports,
    alarms: {
      ...ports.alarms,
      wake,
      arm: async (jobId, atMs) => (forgotten.has(jobId) ? undefined : ports.alarms.arm(jobId, atMs)),
      run: (handle, signal) =>
        ports.alarms.run(async (jobId) => {
          const next = await handle(jobId);
          looks += 1;
          if (next === null || looks % 5 !== 0) return next;
          forgotten.add(jobId);
          return process.clock.nowMs() + 365 * 24 * 3_600_000;
        }, signal),
    },
  };
});

/** Attempts get a name that does not follow from job and number, so that asking twice makes two. */
export const namesAreRandom: Plant = planted('outside', (ports) => {
  let count = 0;
  return {
    ...ports,
    cluster: {
      ...ports.cluster,
      launch: (ask) => ports.cluster.launch({ ...ask, name: `${ask.name.replace(/-a\d+$/, '')}-${++count}-a${ask.attempt}` }),
    },
  };
});

/** Appends without looking at the version that was read. */
export const appendsBlindly: Plant = planted('inside', (ports) => ({
  ...ports,
  records: {
    ...ports.records,
    append: async (jobId, version, events) => ports.records.append(jobId, (await ports.records.read(jobId))?.version ?? version, events),
  },
}));

/** The replacement does not wait for the attempt that it replaces. */
export const noHandover: Plant = planted('inside', (ports) => ({
  ...ports,
  cluster: { ...ports.cluster, launch: (ask) => ports.cluster.launch({ ...ask, handover: null }) },
}));

/** On demand is never really asked for: the deadline's safety net is gone. */
export const neverOnDemand: Plant = planted('inside', (ports) => ({
  ...ports,
  market: {
    ...ports.market,
    view: async () => {
      const view = await ports.market.view();
      return { ...view, offerings: view.offerings.filter((o) => o.capacityType === 'spot') };
    },
  },
}));

/** Ends are billed by the price of the hour in which somebody looked. */
export const billsTooMuch: Plant = planted('inside', (ports) => ({
  ...ports,
  market: { ...ports.market, meter: (ask) => ports.market.meter({ ...ask, toMs: ask.toMs + 1000 }) },
}));

/** What the watch told last is believed, also where it does not show an attempt that the record has open. */
export const believesTheWatch: Plant = planted('inside', (ports) => ({
  ...ports,
  cluster: { ...ports.cluster, attemptsOf: (jobId, within) => ports.cluster.attemptsOf(jobId, within, []) },
}));
