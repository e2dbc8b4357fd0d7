import { expect, it } from 'vitest';
import { heldOf, stoppedWords } from '../../src/terminal/stopped-words.ts';

const NONE = { checkpointed: 0, earlierCheckpoint: 0, noCheckpoint: 0, unknownCheckpoint: 0, ended: 0 };

it.each<[Partial<typeof NONE>, number | null, string]>([
  [{}, 0, 'Stopped. There were no jobs.'],
  [{}, null, 'Stopped.'],
  [{}, 2, 'Stopped. 2 held jobs stay held; "nerve up" goes on with them.'],
  [{ checkpointed: 1 }, 1, 'Stopped. 1 running job was checkpointed; "nerve up" goes on with it.'],
  [{ noCheckpoint: 2 }, null, 'Stopped. 2 running jobs had no checkpoint and begin again; "nerve up" goes on with them.'],
  [{ ended: 1 }, 1, 'Stopped. 1 job ended by itself meanwhile.'],
  [
    { checkpointed: 2, earlierCheckpoint: 1, noCheckpoint: 1, unknownCheckpoint: 1 },
    6,
    'Stopped. 2 running jobs were checkpointed, 1 running job goes on from an earlier checkpoint, 1 running job had no checkpoint and begins again, ' +
      '1 running job was ended, and its checkpoints cannot be read now, 1 held job stays held; "nerve up" goes on with them.',
  ],
])('%j of %j live jobs: %s', (down, live, words) => {
  expect(stoppedWords({ ...NONE, ...down }, live)).toBe(words);
});

it('knows how many were held only where it knows how many lived', () => {
  expect(heldOf({ ...NONE, checkpointed: 1, ended: 1 }, 3)).toBe(1);
  expect(heldOf({ ...NONE, checkpointed: 1 }, null)).toBeNull();
});
