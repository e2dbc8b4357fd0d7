// Whether the jobs of the namespace (or the one that is to be submitted) survive a move: volumes, grace, failures that a Job counts, and where
// their checkpoints go.

import { PROMISED_LIMIT } from '../engine/moves.ts';
import { atMost } from '../engine/pod/job-failures.ts';
import type { Claim, ClusterFacts, JobLook, PodLook } from './facts.ts';
import { fail, type Finding, judge, ok, warn } from './finding.ts';

/** The cloud's notice. */
const NOTICE_SECONDS = 120;
/** Below this a framework hardly has time to save. */
const GRACE_SECONDS_LEAST = 60;
const ZONAL = /ebs\.csi\.aws\.com|kubernetes\.io\/aws-ebs|pd\.csi\.storage\.gke\.io|disk\.csi\.azure\.com|local/;

export function judgePods({ pods, jobs, claims, store }: ClusterFacts): readonly Finding[] {
  const none = 'Needs the right to list pods.';
  return [
    ...judge('volumes', pods, none, (looks) => {
      const used = looks.flatMap((pod) => pod.claims.map((claim) => ({ pod, claim })));
      if (used.length === 0) return ok('volumes', 'no job has a volume that could tie it to a zone');
      const known = 'known' in claims ? claims.known : null;
      const found = used.flatMap(({ pod, claim }) => volume(pod, claim, known));
      return found.length > 0 ? found : ok('volumes', 'no volume ties a job to one zone');
    }),
    ...judge('grace', pods, none, (looks) => {
      const found = looks.flatMap(grace);
      return found.length > 0 ? found : ok('grace', 'grace periods leave time for a checkpoint');
    }),
    ...judge('backoff', jobs, 'Needs the right to list jobs.', (looks) => {
      const found = looks.flatMap(backoff);
      return found.length > 0 ? found : ok('backoff', 'no Job counts its moves as failures, or it has a backoffLimit for many');
    }),
    ...('refused' in store
      ? [fail('checkpoints', store.refused, store.fix)]
      : judge('checkpoints', store, 'nerve doctor --checkpoint-uri s3://bucket/prefix', (answer) =>
          answer === 'ok'
            ? ok('checkpoints', 'a conditional write and a read work there with your credentials')
            : fail(
                'checkpoints',
                'that place ignores conditional writes (If-None-Match): two attempts could overwrite each other',
                'Use Amazon S3, or another service with conditional writes.',
              ),
        )),
  ];
}

function volume(pod: PodLook, name: string, claims: readonly Claim[] | null): readonly Finding[] {
  if (claims === null)
    return [
      warn(
        'volumes',
        `${pod.name} uses claim ${name}, which cannot be looked at`,
        'Ask for the right to read it, or check that it can be mounted in every zone.',
      ),
    ];
  const claim = claims.find((each) => each.name === name);
  if (claim === undefined) return [fail('volumes', `${pod.name} uses claim ${name}, which does not exist`, `Create it, or correct the name.`)];
  if (claim.zones.length > 0 || ZONAL.test(claim.provisioner ?? ''))
    return [
      fail(
        'volumes',
        `claim ${name} of ${pod.name} is tied to ${claim.zones.length > 0 ? `zone ${claim.zones.join(', ')}` : `one zone (${claim.provisioner})`}: the job cannot move`,
        'Put the data on a regional file system (EFS, FSx) or in a bucket.',
      ),
    ];
  return pod.regional
    ? []
    : [
        warn(
          'volumes',
          `claim ${name} of ${pod.name} follows it to every zone, but Nerve cannot see that and leaves the pod alone`,
          'Say so: nerve.io/volumes: regional, or --regional-volumes.',
        ),
      ];
}

function grace(pod: PodLook): readonly Finding[] {
  const { name, graceSeconds, saveMs } = pod;
  const saveSeconds = saveMs === null ? null : saveMs / 1000;
  if (saveSeconds !== null && saveSeconds >= NOTICE_SECONDS)
    return [
      fail(
        'grace',
        `the last checkpoint of ${name} took ${Math.round(saveSeconds)} s, more than the notice of ${NOTICE_SECONDS} s: what was done since the one before is redone`,
        'Make checkpoints smaller or faster (shards, local disk first), and more frequent.',
      ),
    ];
  if (saveSeconds !== null && saveSeconds > graceSeconds)
    return [
      fail(
        'grace',
        `${name} has ${graceSeconds} s between SIGTERM and SIGKILL, and its checkpoint takes ${Math.round(saveSeconds)} s`,
        `terminationGracePeriodSeconds: ${Math.min(NOTICE_SECONDS, Math.ceil(saveSeconds * 1.5))}`,
      ),
    ];
  if (graceSeconds < GRACE_SECONDS_LEAST)
    return [
      warn(
        'grace',
        `${name} has only ${graceSeconds} s between SIGTERM and SIGKILL`,
        `terminationGracePeriodSeconds: ${NOTICE_SECONDS - 10} or leave it out: Nerve sets it.`,
      ),
    ];
  return [];
}

/** Few: one hour may bring as many moves as that. */
function backoff({ name, moves }: JobLook): readonly Finding[] {
  if (moves === null || moves > PROMISED_LIMIT.maxMoves) return [];
  return [
    warn(
      'backoff',
      `Job ${name} is moved ${atMost(moves)} and then runs on demand: each evacuation of its pods counts against its backoffLimit`,
      'Create it with a podFailurePolicy that ignores DisruptionTarget, or with a greater backoffLimit; Nerve reads both at its creation only.',
    ),
  ];
}
