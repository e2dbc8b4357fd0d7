// `nerve drill`: asks, waits, and judges the result against the cloud's notice. On this machine the hook is called directly; in a cluster an
// annotation on the pod asks the agent of its node.

import { randomBytes } from 'node:crypto';
import { NerveError } from '../engine/errors.ts';
import { POD } from '../engine/pod/names.ts';
import type { Pod } from '../engine/pod/types.ts';
import type { DrillResult } from '../ports.ts';
import type { TargetFlags } from '../wire.ts';
import type { ClusterSession } from '../wire-user.ts';
import { NOTICE_MS, notRunning } from './drill-move.ts';
import { plain } from './plain.ts';
import { size } from './seals.ts';
import { span } from './when.ts';
import { withTarget } from './with-target.ts';

export interface DrillReport {
  readonly target: 'local' | 'cluster';
  readonly jobId: string;
  readonly passed: boolean;
  readonly noticeMs: number;
  /** From the ask to the seal, real; null: it was not sealed. */
  readonly checkpointMs: number | null;
  readonly bytes: number | null;
  readonly step: number | null;
  /** From launch to past the resume point, as measured at this job's own starts; null: not measured yet. */
  readonly resumeMs: number | null;
  readonly error: string | null;
}

/** @internal */
export function drillReport(target: DrillReport['target'], jobId: string, { sealed, error }: DrillResult, resumeMs: number | null): DrillReport {
  const checkpointMs = sealed?.tookMs ?? null;
  return {
    target,
    jobId,
    passed: checkpointMs !== null && checkpointMs < NOTICE_MS,
    noticeMs: NOTICE_MS,
    checkpointMs,
    bytes: sealed?.bytes ?? null,
    step: sealed?.step ?? null,
    resumeMs,
    error,
  };
}

export function drillLines(report: DrillReport): readonly string[] {
  const { jobId, checkpointMs, bytes, step, resumeMs, passed, noticeMs, error } = report;
  const resume = resumeMs === null ? 'not measured yet: it has not started twice, or says nothing of its progress' : span(resumeMs);
  if (checkpointMs === null)
    return [
      `${jobId}  FAIL: no checkpoint (${plain(error ?? 'no reason given')})`,
      'It would go on from its last periodic checkpoint, if there is one: see "nerve checkpoints".',
    ];
  const seconds = (checkpointMs / 1000).toFixed(1);
  return [
    `${jobId}  ${passed ? 'PASS' : 'FAIL'}: checkpoint in ${seconds} s, the notice is ${noticeMs / 1000} s`,
    `checkpoint  step ${step ?? 0}, ${size(bytes ?? 0)}${checkpointMs >= 1000 ? `, ${size(Math.round((bytes ?? 0) / (checkpointMs / 1000)))}/s` : ''}`,
    `resume      ${resume}`,
    ...(passed ? [] : ['Make checkpoints smaller or faster. Until then a notice costs what was done since the last periodic one.']),
  ];
}

export async function drillJob(flags: TargetFlags, job: string, timeoutMs: number): Promise<DrillReport & { readonly label: string }> {
  const nonce = randomBytes(6).toString('hex');
  return withTarget(flags, {
    local: async (session) => {
      const { readJob } = await import('../intake/request.ts');
      const { drillHere } = await import('../wire.ts');
      const { state } = await readJob(session.queue.records, job);
      const result = await drillHere(session, job, nonce);
      if (result === null) throw notRunning(job);
      return { ...drillReport('local', job, result, state.measuredStartOverheadMs), label: session.label };
    },
    cluster: async (session) => ({ ...(await drillPod(session, job, nonce, timeoutMs)), label: session.label }),
  });
}

async function drillPod({ cluster }: ClusterSession, wanted: string, nonce: string, timeoutMs: number): Promise<DrillReport> {
  const { findJob } = await import('./find-pods.ts');
  const { job, selector } = await findJob(cluster, wanted);
  const running = job.attempts.findLast(({ phase }) => phase === 'Running');
  if (running === undefined) throw notRunning(job.jobId);
  await cluster.annotate(running.pod, { [POD.drill]: nonce });
  const found = await cluster.until(
    selector,
    (pods) => {
      const pod = pods.find(({ metadata }) => metadata.name === running.pod);
      const result = pod === undefined ? null : drillResultOn(pod);
      return result?.nonce === nonce && pod !== undefined ? { pod, result } : null;
    },
    timeoutMs,
  );
  if (found !== null) return drillReport('cluster', job.jobId, found.result, resumeOn(found.pod));
  throw new NerveError('unreachable', `No agent has answered the drill within ${span(timeoutMs)}.`, {
    hint: `Is one on that node? kubectl get pods -A -o wide -l app.kubernetes.io/component=agent; or a checkpoint takes longer: --timeout 15m`,
    fields: { jobId: job.jobId, pod: running.pod },
  });
}

/** @internal */
export function drillResultOn({ metadata }: Pod): DrillResult | null {
  try {
    const value = JSON.parse(metadata.annotations?.[POD.drillResult] ?? '') as Partial<DrillResult> | null;
    if (value === null || typeof value.nonce !== 'string') return null;
    const sealed = value.sealed ?? null;
    const whole = sealed === null || [sealed.step, sealed.bytes, sealed.tookMs].every((n) => typeof n === 'number');
    return whole ? { nonce: value.nonce, sealed, error: typeof value.error === 'string' ? value.error : null } : null;
  } catch {
    return null;
  }
}

/** From the pod's placement on a node until its program was past its resume point. */
function resumeOn({ metadata, status }: Pod): number | null {
  try {
    const { at } = JSON.parse(metadata.annotations?.[POD.resumed] ?? '') as { readonly at?: string };
    const placed = status?.conditions?.find(({ type }) => type === 'PodScheduled')?.lastTransitionTime;
    const ms = Date.parse(at ?? '') - Date.parse(placed ?? '');
    return Number.isNaN(ms) || ms < 0 ? null : ms;
  } catch {
    return null;
  }
}
