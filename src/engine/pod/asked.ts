// What a pod's annotations ask for, as far as adoption depends on it. The worker reads the rest.

import { POD } from './names.ts';
import { annotation, instant, length } from './read.ts';
import type { Pod } from './types.ts';

export interface Asked {
  /** Epoch ms; null: none was given. */
  readonly deadlineMs: number | null;
  readonly workMs: number | null;
  readonly unreadable: readonly { readonly name: string; readonly text: string }[];
}

export function askedOf(pod: Pod): Asked {
  const deadline = annotation(pod, POD.deadline);
  const work = annotation(pod, POD.expectedDuration);
  const deadlineMs = deadline === null ? null : instant(deadline);
  const workMs = work === null ? null : length(work);
  const unreadable = [
    ...(deadline !== null && deadlineMs === null ? [{ name: POD.deadline, text: deadline }] : []),
    ...(work !== null && workMs === null ? [{ name: POD.expectedDuration, text: work }] : []),
  ];
  return { deadlineMs, workMs, unreadable };
}

/** When this pod must start at the latest, but for margins that are the same for every pod; who tells neither goes first. */
export function latestStartMs(annotations: Readonly<Record<string, string>>): number {
  const deadlineMs = instant(annotations[POD.deadline] ?? '');
  return deadlineMs === null ? 0 : deadlineMs - (length(annotations[POD.expectedDuration] ?? '') ?? 0);
}
