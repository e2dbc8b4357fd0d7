// `nerve submit` on this machine: a command with this shell's environment, in the simulated cloud.

import { NerveError } from '../engine/errors.ts';
import { submitJob, UNKNOWN } from '../intake/submit.ts';
import type { Session } from '../wire.ts';
import { infeasible } from './infeasible.ts';
import { prepareSpec, type Talk } from './prepare.ts';
import { planSentence } from './sentences.ts';
import type { ClusterSubmitFlags } from './submit-cluster.ts';

const CLUSTER_ONLY = [
  'image',
  'gpus',
  'cpu',
  'memory',
  'env',
  'env-from',
  'volume',
  'service-account',
  'if-away',
  'as-job',
  'regional-volumes',
  'dry-run',
  'yes',
] as const;

export async function submitHere(session: Session, flags: ClusterSubmitFlags, argv: readonly string[], talk: Talk): Promise<unknown> {
  const strange = CLUSTER_ONLY.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (strange !== undefined)
    throw new NerveError('usage', `--${strange} is for a cluster, and a "nerve up" of yours runs on this machine.`, {
      hint: 'Choose the cluster with --target cluster or --context NAME.',
    });
  talk.say(session.label);
  const { spec, zone, understood } = await prepareSpec(session, flags, argv, talk.ask);
  await session.keepEnvironment(spec.id);
  const { queue, clock, market, settings } = session;
  const offer = await submitJob({ records: queue.records, alarms: queue.alarms, clock }, spec, await market.view(), settings).catch(
    async (error: unknown) => {
      if (!(error instanceof NerveError && error.fields['taken'] === UNKNOWN)) await session.forgetEnvironment(spec.id);
      throw error;
    },
  );
  if (!offer.feasible) {
    await session.forgetEnvironment(spec.id);
    throw infeasible(offer, zone, clock.nowMs());
  }
  for (const warning of offer.warnings) talk.say(`warning: ${warning}`);
  talk.say(understood);
  talk.say(planSentence(offer, clock.nowMs(), zone, spec.maxPriceUsdPerHour));
  talk.log(spec.id);
  return {
    jobId: spec.id,
    target: session.target,
    name: spec.name,
    deadlineMs: spec.deadlineMs,
    workMs: spec.workMs,
    workSource: spec.workSource,
    quote: offer,
  };
}
