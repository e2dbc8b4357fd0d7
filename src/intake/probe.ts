// Is a living, gating Nerve there? A pod created with dryRun=All goes through admission and is thrown away: the webhook's mark on it is the
// answer, with the user's own rights and nothing left behind (DESIGN section 5).

import { NerveError } from '../engine/errors.ts';
import { ASYNC_TIER, POD, TIER_LABEL } from '../engine/pod/names.ts';
import type { Manifest, UserCluster } from '../ports.ts';

const DAY_MS = 86_400_000;

/** Small, and allowed under the strictest Pod Security level. Its image is never pulled. */
export function probePod(nowMs: number): Manifest {
  const resources = { cpu: '10m', memory: '16Mi' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'nerve-probe-',
      labels: { [TIER_LABEL]: ASYNC_TIER },
      annotations: { [POD.deadline]: new Date(nowMs + DAY_MS).toISOString(), [POD.expectedDuration]: '10m' },
    },
    spec: {
      restartPolicy: 'Never',
      securityContext: { runAsNonRoot: true, runAsUser: 65_534, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'probe',
          image: 'nerve-probe',
          resources: { requests: resources, limits: resources },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  };
}

/** `unknown`: the user may not create pods there, or a quota or policy refused the probe. @throws NerveError `unreachable`. */
export async function nerveAnswers(cluster: UserCluster, nowMs: number): Promise<'yes' | 'no' | 'unknown'> {
  try {
    return versionOn((await cluster.create(probePod(nowMs), { dryRun: true })).object) === null ? 'no' : 'yes';
  } catch (error) {
    if (error instanceof NerveError && error.kind !== 'unreachable') return 'unknown';
    throw error;
  }
}

/** The version of the webhook that marked this object; null if none did. */
export const versionOn = (object: Manifest): string | null => object.metadata.annotations?.[POD.webhook] ?? null;
