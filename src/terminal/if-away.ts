// `--if-away`: what a submit does where Nerve does not answer (DESIGN section 5). Nothing gated is created unless somebody will open it, and full
// price is never taken silently.

import { randomBytes } from 'node:crypto';
import { NerveError } from '../engine/errors.ts';
import { HOLD_GATE, POD } from '../engine/pod/names.ts';
import type { PodSpec } from '../engine/pod/types.ts';
import { heldManifest } from '../intake/held-manifest.ts';
import { newJobId } from '../intake/submit.ts';
import { podOf, withoutNerve } from '../intake/submit-pod.ts';
import type { Manifest, UserCluster } from '../ports.ts';
import type { ClusterSession } from '../wire-user.ts';
import { usd } from './figures.ts';
import type { Talk } from './prepare.ts';

const CHOICES = '--if-away run starts it now at full price; --if-away hold holds it until Nerve or its watchdog opens it; or try again later.';

export async function whenAway(
  { cluster, target, config }: ClusterSession,
  job: Manifest,
  { mode, yes }: { readonly mode: string; readonly yes: boolean },
  talk: Talk,
): Promise<unknown> {
  const { context, namespace } = cluster;
  const answer = (jobId: string | null, { kind, metadata }: Manifest) => ({
    jobId,
    target,
    context,
    namespace,
    kind,
    object: metadata.name ?? null,
    nerve: 'away',
  });
  const away = `Nerve does not answer in context ${cluster.context} (namespace ${cluster.namespace})`;
  if (mode === 'run') {
    const { object } = await cluster.create(withoutNerve(job), { dryRun: false });
    talk.say(`${away}. It was started without Nerve: at once, at ${await onDemandPrice(job)}, and nothing moves it when a machine is taken back.`);
    talk.log(object.metadata.name ?? '');
    return answer(null, object);
  }
  if (mode !== 'hold') throw new NerveError('unreachable', `${away}. Nothing was created.`, { hint: CHOICES, fields: { context: cluster.context } });
  if (job.kind === 'Job')
    throw new NerveError('refused', `${away}, and the pods of a Job can only be held by its webhook. Nothing was created.`, {
      hint: 'Submit a pod, or use --if-away run.',
    });
  if (!yes && !(await watchdogSeen(cluster, config.cluster.nerveNamespace)))
    throw new NerveError('unreachable', `${away}, and no watchdog can be seen that would open a held job. Nothing was created.`, {
      hint: 'If you know that one runs, add --yes; else use --if-away run.',
    });
  const jobId = newJobId();
  const held = heldManifest(job, { jobId, hookToken: randomBytes(24).toString('hex') });
  const tried = (await cluster.create(held, { dryRun: true })).object.spec as PodSpec;
  if (!(tried.schedulingGates ?? []).some(({ name }) => name === HOLD_GATE))
    throw new NerveError('unreachable', `${away}, and its webhook holds nothing while its worker is dead. Nothing was created.`, { hint: CHOICES });
  const { object } = await cluster.create(held, { dryRun: false });
  talk.say(`${away}. The job is held; the watchdog will start it within 4 min unless Nerve returns. By hand: nerve release --all`);
  talk.log(jobId);
  return answer(jobId, object);
}

/** The CronJob that opens gates when the worker is dead. A user who may not look has not seen it. */
async function watchdogSeen(cluster: UserCluster, namespace: string): Promise<boolean> {
  const query = new URLSearchParams({ labelSelector: 'app.kubernetes.io/name=nerve-agent,app.kubernetes.io/component=watchdog' });
  try {
    const found = (await cluster.get(`/apis/batch/v1/namespaces/${namespace}/cronjobs?${query.toString()}`)) as {
      readonly items: readonly { readonly spec?: { readonly suspend?: boolean } }[];
    };
    return found.items.some(({ spec }) => spec?.suspend !== true);
  } catch (error) {
    if (error instanceof NerveError && error.kind !== 'unreachable') return false;
    throw error;
  }
}

/** The full price in words. */
async function onDemandPrice(job: Manifest): Promise<string> {
  const { listPrice } = await import('../wire-user.ts');
  const pod = job.kind === 'Job' ? podOf(job) : job;
  const types = pod.metadata.annotations?.[POD.instanceTypes]?.split(',') ?? [];
  const prices = await Promise.all(types.map(async (type) => ({ type, price: await listPrice(type) })));
  const known = prices.find(({ price }) => price !== null);
  return known === undefined || known.price === null
    ? 'the full price of whatever machine takes it (not known here)'
    : `full price: ${usd(known.price.usdPerHour)}/h for ${known.type} by the list of ${known.price.region}`;
}
