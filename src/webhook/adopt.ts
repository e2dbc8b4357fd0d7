// A pod becomes Nerve's: gate, label, marks, tolerations, grace, and the checkpoint environment of its training container. Pure, and on its own
// output it changes nothing more.
//
// Surprises: environment and grace period can never be changed after creation, so everything that an attempt must know is given here.
// And a pod may be a copy of an earlier one (`kubectl get -o yaml`, edited): what Nerve wrote on that one is taken off again.

import { askedOf } from '../engine/pod/asked.ts';
import { graceSeconds, PROTECTION } from '../engine/pod/marks.ts';
import { ENV, HOLD_GATE, HOOK_PORT, JOB_ID_LABEL, POD } from '../engine/pod/names.ts';
import { annotation, rfc3339, withoutLastSlashes } from '../engine/pod/read.ts';
import type { Container, EnvVar, Pod } from '../engine/pod/types.ts';
import type { Predecessor } from '../ports.ts';
import type { AdmissionContext, Toleration } from './context.ts';
import { completionIndex, jobIdFor, jobOwner } from './job-id.ts';

/** Clocks of nodes differ a little. */
const HANDOVER_SLACK_MS = 5000;

/** Written by worker and agent, never by whoever creates a pod. */
const LATER: readonly string[] = [
  POD.state,
  POD.reason,
  POD.plan,
  POD.moves,
  POD.costUsd,
  POD.stopRequest,
  POD.deletedBy,
  POD.requestSeen,
  POD.progress,
  POD.resumed,
  POD.lastCheckpoint,
  POD.drillResult,
  POD.launchedAs,
  POD.ownAffinity,
  POD.finished,
];

export interface Adopted {
  readonly pod: Pod;
  readonly jobId: string;
}

export function adopt(pod: Pod, asked: { readonly uid: string; readonly namespace: string }, context: AdmissionContext): Adopted {
  const attempt = attemptFor(pod, asked, context);
  const { annotations, labels } = pod.metadata;
  return {
    jobId: attempt.jobId,
    pod: {
      ...pod,
      metadata: {
        ...pod.metadata,
        labels: { ...labels, [JOB_ID_LABEL]: attempt.jobId },
        annotations: {
          ...PROTECTION,
          ...without(annotations ?? {}, LATER),
          ...(attempt.checkpointUri === null ? {} : { [POD.checkpointUri]: attempt.checkpointUri }),
          [POD.webhook]: context.installation.version,
          [POD.attempt]: String(attempt.number),
        },
      },
      spec: {
        ...equipped(pod, attempt).spec,
        schedulingGates: withGate(pod),
        tolerations: withTolerations(pod.spec.tolerations ?? [], context.installation.spotTolerations),
      },
    },
  };
}

/** While Nerve is away: a re-created pod still resumes at its checkpoint, and the agents still save it. Nothing holds it. */
export function equip(pod: Pod, asked: { readonly uid: string; readonly namespace: string }, context: AdmissionContext): Pod {
  return equipped(disowned(pod), attemptFor(pod, asked, context));
}

/** A gate of ours on a pod that is not ours would never be opened, and a job's id would make it an attempt of that job. */
export function disowned(pod: Pod): Pod {
  const { labels, annotations } = pod.metadata;
  const gates = pod.spec.schedulingGates;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      ...(labels ? { labels: without(labels, [JOB_ID_LABEL]) } : {}),
      ...(annotations ? { annotations: without(annotations, [...LATER, POD.webhook, POD.attempt]) } : {}),
    },
    spec: { ...pod.spec, ...(gates ? { schedulingGates: gates.filter(({ name }) => name !== HOLD_GATE) } : {}) },
  };
}

const without = (words: Readonly<Record<string, string>>, names: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(words).filter(([name]) => !names.includes(name)));

interface Attempt {
  readonly jobId: string;
  readonly number: number;
  readonly token: string;
  readonly deadlineMs: number | null;
  readonly checkpointUri: string | null;
  readonly previous: { readonly attempt: string; readonly waitUntil: string } | null;
}

function attemptFor(pod: Pod, { uid, namespace }: { readonly uid: string; readonly namespace: string }, context: AdmissionContext): Attempt {
  const jobId = jobIdFor(pod, uid);
  const { deadlineMs } = askedOf(pod);
  const uri = annotation(pod, POD.checkpointUri) ?? valueIn(trainer(pod), ENV.checkpointUri);
  const before = ownWork(pod, jobId);
  if (before !== null) return { jobId, deadlineMs, checkpointUri: uri, ...before };
  const predecessor = jobOwner(pod) === null ? null : context.predecessors.of(namespace, jobId);
  const index = completionIndex(pod);
  return {
    jobId,
    deadlineMs,
    token: context.newToken(),
    number: jobOwner(pod) === null ? 1 : Math.max(Math.floor(context.nowMs / 1000), (predecessor?.attempt ?? 0) + 1),
    // Pods of one Job share a template, but no two jobs may share a log of seals.
    checkpointUri: uri === null || index === null ? uri : `${withoutLastSlashes(uri)}/${index}`,
    previous: predecessor === null ? null : handover(predecessor, context.nowMs),
  };
}

function handover({ attempt, endsAtMs }: Predecessor, nowMs: number): Attempt['previous'] {
  const untilMs = endsAtMs + HANDOVER_SLACK_MS;
  return untilMs <= nowMs ? null : { attempt: String(attempt), waitUntil: rfc3339(untilMs) };
}

/** What an earlier pass over this same pod gave it: a webhook may be called again after others have changed the pod. */
function ownWork(pod: Pod, jobId: string): Pick<Attempt, 'number' | 'token' | 'previous'> | null {
  const container = trainer(pod);
  const token = valueIn(container, ENV.hookToken);
  const number = Number(valueIn(container, ENV.attempt));
  if (valueIn(container, ENV.jobId) !== jobId || token === null || !Number.isSafeInteger(number) || number < 1) return null;
  const attempt = valueIn(container, ENV.previousAttempt);
  const waitUntil = valueIn(container, ENV.waitSealedUntil);
  return { number, token, previous: attempt === null || waitUntil === null ? null : { attempt, waitUntil } };
}

function equipped(pod: Pod, attempt: Attempt): Pod {
  const chosen = trainer(pod);
  const containers = pod.spec.containers.map((container) => (container === chosen ? withEnvironment(container, attempt) : container));
  return {
    ...pod,
    spec: { ...pod.spec, containers, terminationGracePeriodSeconds: graceSeconds(pod.spec.terminationGracePeriodSeconds) },
  };
}

/** One container trains: the hook has one port. A mesh that puts its proxy first says which container is the pod's own. */
function trainer(pod: Pod): Container | undefined {
  const { containers } = pod.spec;
  const names = [annotation(pod, POD.container), annotation(pod, 'kubectl.kubernetes.io/default-container')];
  return names.flatMap((name) => containers.find((c) => c.name === name) ?? [])[0] ?? containers[0];
}

const OURS: readonly string[] = Object.values(ENV);

function withEnvironment(container: Container, attempt: Attempt): Container {
  const given: Readonly<Record<string, string | null>> = {
    [ENV.jobId]: attempt.jobId,
    [ENV.attempt]: String(attempt.number),
    [ENV.deadline]: attempt.deadlineMs === null ? null : rfc3339(attempt.deadlineMs),
    [ENV.checkpointUri]: attempt.checkpointUri,
    // The agent calls from outside the pod.
    [ENV.hookHost]: '0.0.0.0',
    [ENV.hookPort]: String(HOOK_PORT),
    [ENV.hookToken]: attempt.token,
    [ENV.previousAttempt]: attempt.previous?.attempt ?? null,
    [ENV.waitSealedUntil]: attempt.previous?.waitUntil ?? null,
  };
  const ours = Object.entries(given).flatMap(([name, value]): EnvVar[] => (value === null ? [] : [{ name, value }]));
  // A checkpoint place that comes from elsewhere (valueFrom) is not known here, and stays.
  const users = (container.env ?? []).filter(({ name }) => !OURS.includes(name) || (name === ENV.checkpointUri && attempt.checkpointUri === null));
  // First, so that the user's own may refer to them: $(NERVE_CHECKPOINT_URI).
  return { ...container, env: [...ours, ...users] };
}

const valueIn = (container: Container | undefined, name: string): string | null => {
  const value: unknown = container?.env?.find((variable) => variable.name === name)?.value;
  return typeof value === 'string' && value !== '' ? value : null;
};

function withGate(pod: Pod): readonly { readonly name: string }[] {
  const gates = pod.spec.schedulingGates ?? [];
  return gates.some(({ name }) => name === HOLD_GATE) ? gates : [...gates, { name: HOLD_GATE }];
}

function withTolerations(users: readonly Toleration[], spot: readonly Toleration[]): readonly Toleration[] {
  const missing = spot.filter((taint) => !users.some((toleration) => tolerates(toleration, taint)));
  return missing.length === 0 ? users : [...users, ...missing];
}

function tolerates({ key, operator, value, effect }: Toleration, taint: Toleration): boolean {
  if (effect && effect !== taint.effect) return false;
  if (operator === 'Exists') return !key || key === taint.key;
  return key === taint.key && (value ?? '') === (taint.value ?? '');
}
