// The fail-safe by hand: every gate of Nerve's in one namespace is opened with the user's own rights, whether Nerve lives or not.

import { HOLD_GATE } from '../engine/pod/names.ts';
import type { UserCluster } from '../ports.ts';
import { isGated } from '../engine/pod/observe.ts';

/** Names of the pods whose gate was taken away. Gated pods are found whatever labels they have. */
export async function openGates(cluster: UserCluster): Promise<readonly string[]> {
  const held = (await cluster.pods('')).filter((pod) => isGated(pod) && pod.metadata.deletionTimestamp === undefined);
  const names = held.flatMap(({ metadata }) => metadata.name ?? []);
  // One after the other: the first refusal ends it, and says why.
  for (const name of names) await cluster.openGate(name, HOLD_GATE);
  return names;
}
