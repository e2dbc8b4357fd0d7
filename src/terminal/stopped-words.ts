// What is said when Nerve on this machine has ended: how the jobs go on that ran, and how many did not run.

import type { TakenDown } from '../wire.ts';
import { count } from './figures.ts';

/** Live jobs that did not run. `live`: those that had not ended before; null: not known. */
export function heldOf(down: TakenDown, live: number | null): number | null {
  const { checkpointed, earlierCheckpoint, noCheckpoint, unknownCheckpoint, ended } = down;
  return live === null ? null : Math.max(0, live - checkpointed - earlierCheckpoint - noCheckpoint - unknownCheckpoint - ended);
}

/** Of what there was none, nothing is said. */
export function stoppedWords(down: TakenDown, live: number | null): string {
  const held = heldOf(down, live) ?? 0;
  const goOn = down.checkpointed + down.earlierCheckpoint + down.noCheckpoint + down.unknownCheckpoint + held;
  const parts = [
    part(down.checkpointed, 'running job', 'was checkpointed', 'were checkpointed'),
    part(down.earlierCheckpoint, 'running job', 'goes on from an earlier checkpoint', 'go on from earlier checkpoints'),
    part(down.noCheckpoint, 'running job', 'had no checkpoint and begins again', 'had no checkpoint and begin again'),
    part(
      down.unknownCheckpoint,
      'running job',
      'was ended, and its checkpoints cannot be read now',
      'were ended, and their checkpoints cannot be read now',
    ),
    part(down.ended, 'job', 'ended by itself meanwhile', 'ended by themselves meanwhile'),
    part(held, 'held job', 'stays held', 'stay held'),
  ].flat();
  if (parts.length === 0) return live === null ? 'Stopped.' : 'Stopped. There were no jobs.';
  return `Stopped. ${parts.join(', ')}${goOn > 0 ? `; "nerve up" goes on with ${goOn === 1 ? 'it' : 'them'}` : ''}.`;
}

function part(n: number, what: string, one: string, many: string): readonly string[] {
  return n === 0 ? [] : [`${count(n, what)} ${n === 1 ? one : many}`];
}
