// The difference between a pod as it came and as Nerve wants it, as a JSON patch. Only what Nerve may change is compared, so it cannot
// touch anything else by mistake.

import type { Pod } from '../engine/pod/types.ts';
import type { PatchOperation } from './review.ts';

export function patchOf(before: Pod, after: Pod): readonly PatchOperation[] {
  return [
    ...wordsPatch('/metadata/labels', before.metadata.labels, after.metadata.labels),
    ...wordsPatch('/metadata/annotations', before.metadata.annotations, after.metadata.annotations),
    ...fieldPatch('/spec/schedulingGates', before.spec.schedulingGates, after.spec.schedulingGates),
    ...fieldPatch('/spec/tolerations', before.spec.tolerations, after.spec.tolerations),
    ...fieldPatch('/spec/terminationGracePeriodSeconds', before.spec.terminationGracePeriodSeconds, after.spec.terminationGracePeriodSeconds),
    ...after.spec.containers.flatMap((container, index) =>
      fieldPatch(`/spec/containers/${index}/env`, before.spec.containers[index]?.env, container.env),
    ),
  ];
}

type Words = Readonly<Record<string, string>> | null | undefined;

/** One operation a key, so that what another webhook adds at the same time stays; a map that is not there is made first. */
export function wordsPatch(path: string, before: Words, after: Words): readonly PatchOperation[] {
  const wanted = after ?? {};
  if (before === undefined || before === null) return Object.keys(wanted).length === 0 ? [] : [{ op: 'add', path, value: wanted }];
  const removed = Object.keys(before).filter((key) => wanted[key] === undefined);
  const changed = Object.entries(wanted).filter(([key, value]) => before[key] !== value);
  return [
    ...removed.map((key): PatchOperation => ({ op: 'remove', path: `${path}/${escaped(key)}` })),
    ...changed.map(([key, value]): PatchOperation => ({ op: 'add', path: `${path}/${escaped(key)}`, value })),
  ];
}

/** `add` on a member of an object replaces what is there. */
function fieldPatch(path: string, before: unknown, after: unknown): readonly PatchOperation[] {
  if (JSON.stringify(before ?? null) === JSON.stringify(after ?? null)) return [];
  const empty = after === undefined || after === null || (Array.isArray(after) && after.length === 0);
  if (!empty) return [{ op: 'add', path, value: after }];
  return before === undefined || before === null || (Array.isArray(before) && before.length === 0) ? [] : [{ op: 'remove', path }];
}

/** RFC 6901. */
const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');
