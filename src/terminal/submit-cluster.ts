// `nerve submit` against a cluster, from flags to the worker's acknowledgement.

import { stringify } from 'yaml';
import { NerveError } from '../engine/errors.ts';
import { POD } from '../engine/pod/names.ts';
import type { PodSpec } from '../engine/pod/types.ts';
import { freshNeedMs } from '../engine/slack.ts';
import { clusterJob, type ClusterFlags } from '../intake/cluster-job.ts';
import { type Asked, readAsked } from '../intake/job-file.ts';
import type { SubmitFlags } from '../intake/spec.ts';
import { selectorOf, tryCreate } from '../intake/submit-pod.ts';
import type { Manifest } from '../ports.ts';
import type { ClusterSession } from '../wire-user.ts';
import { whenAway } from './if-away.ts';
import { jobOf } from './pod-job.ts';
import { podPlanSentence, podSentence } from './pod-words.ts';
import type { Ask, Talk } from './prepare.ts';
import { localZone, parseDeadline, parseLength, span, written } from './when.ts';

export interface ClusterSubmitFlags extends SubmitFlags, ClusterFlags {
  readonly file?: string | undefined;
  readonly 'time-zone'?: string | undefined;
  readonly 'dry-run'?: boolean | undefined;
  readonly 'if-away'?: string | undefined;
  readonly yes?: boolean | undefined;
}

export async function submitToCluster(session: ClusterSession, flags: ClusterSubmitFlags, argv: readonly string[], talk: Talk): Promise<unknown> {
  const { cluster, defaults, label } = session;
  talk.say(label);
  const asked: Asked = flags.file === undefined ? { file: {}, manifest: null } : readAsked(flags.file);
  const when = await timesOf(session, flags, asked, talk.ask);
  const command = argv.length > 0 ? argv : ((asked.file.template === undefined ? asked.file.command : undefined) ?? []);
  const job = clusterJob({ flags, asked, command, defaults, deadlineMs: when.askedMs, workMs: when.workMs });
  const { intake, warnings } = await tryCreate(cluster, job);
  if (intake.nerve !== 'untouched' || flags['dry-run'] === true) for (const warning of warnings) talk.say(`warning: ${warning}`);
  if (flags['dry-run'] === true) {
    talk.say(
      intake.nerve === 'adopts'
        ? 'Nothing was created. Nerve would take this job.'
        : `Nothing was created. Nerve would not take this job (${intake.nerve}).`,
    );
    talk.log(stringify(job).trimEnd());
    return job;
  }
  if (intake.nerve === 'untouched')
    throw new NerveError('refused', `Nerve would leave this pod alone: ${intake.why.map((text) => text.replace(/^nerve: /i, '')).join('; ')}`, {
      hint: 'Nothing was created. Correct that, or create it with kubectl.',
    });
  if (intake.nerve === 'away') return whenAway(session, job, { mode: flags['if-away'] ?? defaults.ifAway ?? 'fail', yes: flags.yes === true }, talk);
  const { object } = await cluster.create(job, { dryRun: false });
  talk.say(when.understood);
  return acknowledged(session, object, talk, when);
}

interface Times {
  /** What goes into the annotation; null: the manifest says it, or nobody does. */
  readonly askedMs: number | null;
  readonly deadlineMs: number | null;
  readonly workMs: number | null;
  readonly understood: string;
}

async function timesOf({ config, settings }: ClusterSession, flags: ClusterSubmitFlags, { file, manifest }: Asked, ask: Ask): Promise<Times> {
  const zone = flags['time-zone'] ?? file['time-zone'] ?? config.job.timeZone ?? localZone();
  const nowMs = Date.now();
  const noted = annotationsIn(manifest);
  const typed = flags.deadline ?? file.deadline ?? (noted[POD.deadline] === undefined ? await needed(ask) : undefined);
  const askedMs = typed === undefined ? null : parseDeadline(typed, nowMs, zone);
  const deadlineMs = askedMs ?? Date.parse(noted[POD.deadline] ?? '');
  if (Number.isNaN(deadlineMs))
    throw new NerveError('usage', `The manifest's ${POD.deadline} cannot be read: "${noted[POD.deadline] ?? ''}".`, {
      hint: 'Write RFC 3339: 2026-11-25T08:00:00+01:00',
    });
  const length = flags.duration ?? file.duration;
  const workMs = length === undefined ? null : parseLength(length, 'duration');
  if (workMs !== null) {
    const nearestMs = nowMs + freshNeedMs(workMs, settings);
    if (nearestMs > deadlineMs)
      throw new NerveError(
        'refused',
        `This deadline cannot be met: it is ${span(nearestMs - deadlineMs)} too short, even on demand and starting now.`,
        {
          hint: `The nearest deadline that can be promised is ${written(Math.ceil(nearestMs / 60_000) * 60_000, zone)} (+${span(nearestMs - nowMs)}).`,
          fields: { shortfallMs: nearestMs - deadlineMs, nearestDeadlineMs: nearestMs },
        },
      );
  }
  const work = workMs === null ? 'no --duration: Nerve takes the median of finished runs, or starts it at once' : `about ${span(workMs)} of work`;
  return { askedMs, deadlineMs, workMs, understood: `deadline ${written(deadlineMs, zone)}, in ${span(deadlineMs - nowMs)}; ${work}` };
}

function annotationsIn(manifest: Manifest | null): Readonly<Record<string, string>> {
  if (manifest?.kind !== 'Job') return manifest?.metadata.annotations ?? {};
  const { template } = manifest.spec as { readonly template: { readonly metadata?: Manifest['metadata']; readonly spec: PodSpec } };
  return template.metadata?.annotations ?? {};
}

async function needed(ask: Ask): Promise<string> {
  if (ask === null) throw new NerveError('usage', '--deadline is missing.', { hint: 'Add it: --deadline "tomorrow 8am"' });
  return ask('When must it be done (for example "tomorrow 8am")? ');
}

/** Shows what the worker wrote. One that is silent is said so: the pod stands, and its alarm is the watchdog's then. */
async function acknowledged(
  { cluster, target, answerTimeoutMs }: ClusterSession,
  object: Manifest,
  talk: Talk,
  { deadlineMs, workMs }: Times,
): Promise<unknown> {
  const found = await cluster.until(
    selectorOf(object),
    (pods) => {
      const job = jobOf(pods);
      return job !== null && job.jobId !== '' && job.acknowledged ? job : null;
    },
    answerTimeoutMs,
  );
  const job = found ?? jobOf(await cluster.pods(selectorOf(object)));
  const nowMs = Date.now();
  if (found === null)
    talk.say(
      `warning: it is created, but Nerve's worker has not said anything within ${answerTimeoutMs / 1000} s. If Nerve is dead, the watchdog starts it within 4 min. See: nerve doctor`,
    );
  else talk.say(found.plan === null ? podSentence(found, nowMs) : podPlanSentence(found.plan, nowMs));
  const jobId = job?.jobId ?? '';
  talk.log(jobId === '' ? (object.metadata.name ?? '') : jobId);
  return {
    jobId: jobId === '' ? null : jobId,
    target,
    context: cluster.context,
    namespace: cluster.namespace,
    kind: object.kind,
    object: object.metadata.name ?? null,
    pod: job?.pod ?? null,
    deadlineMs,
    workMs,
    acknowledged: found !== null,
    phase: job?.phase ?? null,
    reason: job?.reason ?? null,
    plan: job?.plan ?? null,
  };
}
