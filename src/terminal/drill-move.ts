// `nerve drill --move`: the whole way of an evacuation, without any cloud: the job seals a final checkpoint, is started in another zone, and
// resumes there. It is the worker that decides whether the job may move; here it is only asked, and watched. Surprise: the time to the seal is
// taken by this program's own clock and holds everything between the ask and the sight of the seal; a cluster's clocks may differ from ours.

import { LABELS, POD } from '../engine/pod/names.ts';
import { NerveError } from '../engine/errors.ts';
import { attemptNumber } from '../engine/pod/observe.ts';
import { instant, launchedAs, number, object, text } from '../engine/pod/read.ts';
import type { Pod } from '../engine/pod/types.ts';
import type { ObservedAttempt } from '../engine/snapshot.ts';
import type { JobState } from '../engine/state.ts';
import type { Session, TargetFlags } from '../wire.ts';
import type { ClusterSession } from '../wire-user.ts';
import { hasEnded } from './pod-job.ts';
import { size } from './seals.ts';
import { span } from './when.ts';
import { withTarget } from './with-target.ts';

/** How long the cloud gives. */
export const NOTICE_MS = 120_000;

/** The worker decides at once when it takes the ask; a busy one gets this long. */
const DECIDES_WITHIN_MS = 20_000;
const LOOK_MS = 250;

export interface MoveReport {
  readonly target: 'local' | 'cluster';
  readonly jobId: string;
  readonly passed: boolean;
  readonly noticeMs: number;
  /** From the ask until the final seal was seen, real; null: it was not sealed. */
  readonly checkpointMs: number | null;
  readonly bytes: number | null;
  readonly step: number | null;
  /** From the seal to past the resume point in the other zone; null: it has not resumed. */
  readonly resumeMs: number | null;
  readonly resumedStep: number | null;
  readonly fromZone: string;
  readonly toZone: string | null;
  readonly error: string | null;
}

interface Sealed {
  readonly step: number;
  readonly bytes: number;
  readonly sealedAtMs: number;
}

/** What pods or record show of a move at one moment. */
export interface MoveView {
  readonly stopping: boolean;
  readonly sealed: Sealed | null;
  readonly next: Next | null;
}

interface Next {
  readonly zone: string;
  readonly resumed: { readonly step: number; readonly atMs: number } | null;
  /** The job has ended: nobody will say any more how it resumed. */
  readonly over: boolean;
  /** The one before left without a seal and had never resumed: a program that does not checkpoint, and begins from the start. */
  readonly anew?: boolean;
}

/** Nothing more is to be seen. */
const settled = (next: Next | null): boolean => next !== null && (next.resumed !== null || next.over || next.anew === true);

/** Remembers what was there: the pod that left takes its annotations along. */
interface Tracker {
  readonly askedAtMs: number;
  sealed: (Sealed & { readonly seenAtMs: number }) | null;
  next: Next | null;
}

const track = (tracker: Tracker, { sealed, next }: MoveView): void => {
  if (tracker.sealed === null && sealed !== null) tracker.sealed = { ...sealed, seenAtMs: performance.now() };
  tracker.next = next ?? tracker.next;
};

/** @internal */
export function moveReport(
  at: Pick<MoveReport, 'target' | 'jobId' | 'fromZone'>,
  { askedAtMs, sealed, next }: Tracker,
  timeoutMs: number,
  speed = 1,
): MoveReport {
  const checkpointMs = sealed === null ? null : Math.round(sealed.seenAtMs - askedAtMs);
  const resumed = next?.resumed ?? null;
  const toZone = next?.zone ?? null;
  const error = fault({ ...at, sealed, next, checkpointMs }, timeoutMs);
  return {
    ...at,
    passed: error === null,
    noticeMs: NOTICE_MS,
    checkpointMs,
    bytes: sealed?.bytes ?? null,
    step: sealed?.step ?? null,
    resumeMs: resumed === null || sealed === null ? null : Math.max(0, Math.round((resumed.atMs - sealed.sealedAtMs) / speed)),
    resumedStep: resumed?.step ?? null,
    toZone,
    error,
  };
}

function fault(
  { fromZone, sealed, next, checkpointMs }: Pick<Tracker, 'sealed' | 'next'> & Pick<MoveReport, 'fromZone' | 'checkpointMs'>,
  timeoutMs: number,
): string | null {
  if (sealed === null && next?.anew === true) return `it sealed no checkpoint, and begins anew in ${next.zone}`;
  if (sealed === null || checkpointMs === null) return `no final checkpoint within ${span(timeoutMs)}`;
  if (checkpointMs >= NOTICE_MS) return 'the checkpoint is slower than the notice';
  if (next === null) return `no replacement within ${span(timeoutMs)}`;
  if (next.zone === fromZone) return 'its replacement is in the same zone';
  if (next.resumed === null && next.over) return 'it ended before it was seen how it resumed; drill a job that has more to do';
  if (next.resumed === null) return `its replacement has not resumed within ${span(timeoutMs)}`;
  return next.resumed.step === sealed.step ? null : `it was sealed at step ${sealed.step} and resumed at step ${next.resumed.step}`;
}

export function moveLines(report: MoveReport): readonly string[] {
  const { jobId, passed, error, checkpointMs, noticeMs, step, bytes, fromZone, toZone, resumeMs, resumedStep } = report;
  const seconds = checkpointMs === null ? null : (checkpointMs / 1000).toFixed(1);
  return [
    `${jobId}  ${passed ? 'PASS' : 'FAIL'}: ${error ?? `moved from ${fromZone} to ${toZone}, nothing is computed twice`}`,
    ...(seconds === null ? [] : [`checkpoint  in ${seconds} s (the notice is ${noticeMs / 1000} s): step ${step}, ${size(bytes ?? 0)}`]),
    ...(toZone === null ? [] : [`zone        ${fromZone} -> ${toZone}`]),
    ...(resumeMs === null ? [] : [`resume      ${(resumeMs / 1000).toFixed(1)} s after the seal, at step ${resumedStep}`]),
  ];
}

export async function drillMove(flags: TargetFlags, job: string, timeoutMs: number): Promise<MoveReport & { readonly label: string }> {
  return withTarget(flags, {
    local: async (session) => ({ ...(await moveHere(session, job, timeoutMs)), label: session.label }),
    cluster: async (session) => ({ ...(await movePod(session, job, timeoutMs)), label: session.label }),
  });
}

async function moveHere({ queue, cloud, clock }: Session, jobId: string, timeoutMs: number): Promise<MoveReport> {
  const { readJob, request } = await import('../intake/request.ts');
  const before = (await readJob(queue.records, jobId)).state;
  const from = before.attempts.findLast((attempt) => attempt.ended === null);
  const seen = (await cloud.attempts({ jobId })).find(({ attempt }) => attempt === from?.attempt);
  if (from === undefined || !mayMove(before, seen)) throw notRunning(jobId);
  const tracker: Tracker = { askedAtMs: performance.now(), sealed: null, next: null };
  await request(queue.records, queue.alarms, jobId, () => ({ type: 'move-requested', atMs: clock.nowMs() }));
  let stopping = false;
  for (;;) {
    const view = viewOfState((await readJob(queue.records, jobId)).state, from.attempt);
    track(tracker, view);
    stopping ||= view.stopping;
    const waitedMs = performance.now() - tracker.askedAtMs;
    if (!stopping && waitedMs > DECIDES_WITHIN_MS) throw notNow(jobId);
    if (settled(tracker.next) || waitedMs > timeoutMs) break;
    await clock.sleep(LOOK_MS);
  }
  return moveReport({ target: 'local', jobId, fromZone: from.zone }, tracker, timeoutMs, clock.speed);
}

/** Its process runs, and is not leaving already. The hook of a program without the SDK never says that it has resumed. @internal */
export const mayMove = ({ phase }: Pick<JobState, 'phase'>, seen: Pick<ObservedAttempt, 'phase'> | undefined): boolean =>
  phase === 'running' || (phase === 'starting' && seen?.phase === 'running');

function viewOfState({ attempts, phase }: JobState, attempt: number): MoveView {
  const from = attempts.find((each) => each.attempt === attempt);
  const next = attempts.findLast((each) => each.attempt > attempt);
  const seal = from?.lastCheckpoint ?? null;
  const anew = seal === null && from?.resumed === null && from.ended !== null;
  return {
    stopping: from?.stopRequested?.reason === 'drill' || next !== undefined,
    sealed: seal?.final === true ? seal : null,
    next: next === undefined ? null : { zone: next.zone, resumed: next.resumed, over: hasEnded(phase), anew },
  };
}

async function movePod(session: ClusterSession, wanted: string, timeoutMs: number): Promise<MoveReport> {
  const { cluster } = session;
  const [{ findJob }, { askPod }] = await Promise.all([import('./find-pods.ts'), import('./ask-job.ts')]);
  const { job, selector } = await findJob(cluster, wanted);
  const { jobId } = job;
  const running = job.attempts.findLast(({ phase }) => phase === 'Running');
  const from = (await cluster.pods(selector)).find(({ metadata }) => metadata.name === running?.pod);
  if (running === undefined || from === undefined) throw notRunning(jobId);
  const tracker: Tracker = { askedAtMs: performance.now(), sealed: null, next: null };
  const look = (pods: readonly Pod[]): MoveView => {
    const view = viewOfPods(pods, from);
    track(tracker, view);
    return view;
  };
  await askPod(session, wanted, 'move');
  const decided = await cluster.until(selector, (pods) => (look(pods).stopping ? true : null), DECIDES_WITHIN_MS);
  if (decided === null) throw notNow(jobId);
  await cluster.until(selector, (pods) => (settled(look(pods).next) ? true : null), timeoutMs);
  return moveReport({ target: 'cluster', jobId, fromZone: zoneOf(from) }, tracker, timeoutMs);
}

/** @internal */
export function viewOfPods(pods: readonly Pod[], from: Pod): MoveView {
  const old = pods.find(({ metadata }) => metadata.uid === from.metadata.uid);
  const next = pods.findLast((pod) => pod.metadata.uid !== from.metadata.uid && launchedAs(pod) !== null && isLater(pod, from));
  const seal = object(old?.metadata.annotations?.[POD.lastCheckpoint] ?? null);
  const sealedAtMs = instant(text(seal?.['sealedAt']));
  const step = number(seal?.['step']);
  const resumed = object(next?.metadata.annotations?.[POD.resumed] ?? null);
  const resumedStep = number(resumed?.['step']);
  const atMs = instant(text(resumed?.['at']));
  return {
    stopping: old === undefined || old.metadata.annotations?.[POD.stopRequest] === 'move' || next !== undefined,
    sealed: seal?.['final'] === true && step !== null && sealedAtMs !== null ? { step, bytes: number(seal['bytes']) ?? 0, sealedAtMs } : null,
    next:
      next === undefined
        ? null
        : {
            zone: zoneOf(next),
            resumed: resumedStep === null || atMs === null ? null : { step: resumedStep, atMs },
            over: next.status?.phase === 'Succeeded',
          },
  };
}

const isLater = (pod: Pod, than: Pod): boolean => (attemptNumber(pod) ?? 0) > (attemptNumber(than) ?? 0);

/** As its node has it, where Kubernetes copies that to the pod; else as it was asked for. */
const zoneOf = (pod: Pod): string => pod.metadata.labels?.[LABELS.zoneId] ?? launchedAs(pod)?.zone ?? pod.metadata.labels?.[LABELS.zone] ?? 'unknown';

export const notRunning = (jobId: string): NerveError =>
  new NerveError('refused', `Job ${jobId} does not run now, so there is nothing to drill.`, {
    hint: `"nerve release ${jobId}" starts a held job.`,
    fields: { jobId },
  });

const notNow = (jobId: string): NerveError =>
  new NerveError(
    'refused',
    `Job ${jobId} is not moved: no other zone has what it may take, it moved twice within the hour, or its deadline is near.`,
    {
      hint: `See "nerve explain ${jobId}"; without --move only the checkpoint is tried.`,
      fields: { jobId },
    },
  );
