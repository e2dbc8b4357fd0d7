import { expect, it } from 'vitest';
import { startsAt, type SavedClock } from '../../src/adapters/local/saved-clock.ts';
import { HOUR, MINUTE, NOW } from '../support/build.ts';

/** One "nerve up" after another; answers the instants at which each begins and ends. */
function sessions(...runs: readonly { readonly speed: number; readonly lastsMs: number; readonly pauseMs?: number }[]) {
  let wallMs = NOW;
  let saved: SavedClock | null = null;
  return runs.map(({ speed, lastsMs, pauseMs = MINUTE }) => {
    wallMs += pauseMs;
    const from = startsAt(saved, speed, wallMs);
    const ahead = from - wallMs;
    wallMs += lastsMs;
    const to = from + lastsMs * speed;
    saved = { virtualMs: to };
    return { from, to, ahead };
  });
}

it('is the wall clock where there was none, and where it never ran fast', () => {
  expect(sessions({ speed: 1, lastsMs: HOUR }, { speed: 1, lastsMs: HOUR }).map(({ ahead }) => ahead)).toEqual([0, 0]);
});

it('goes on where a fast one was left, and never begins before the last one ended, however often', () => {
  const [fast, ...later] = sessions(
    { speed: 300, lastsMs: 2 * MINUTE },
    { speed: 1, lastsMs: MINUTE },
    { speed: 1, lastsMs: MINUTE },
    { speed: 60, lastsMs: MINUTE },
    { speed: 1, lastsMs: MINUTE },
    { speed: 1, lastsMs: MINUTE },
  );
  let endMs = fast?.to ?? 0;
  for (const { from, to } of later) {
    expect(from).toBe(endMs);
    endMs = to;
  }
});

it('is the wall clock again once that has overtaken it, and stays it', () => {
  const runs = sessions(
    { speed: 300, lastsMs: 2 * MINUTE },
    { speed: 1, lastsMs: MINUTE },
    { speed: 1, lastsMs: MINUTE, pauseMs: 11 * HOUR },
    { speed: 1, lastsMs: MINUTE },
  );
  expect(runs.map(({ ahead }) => ahead > 0)).toEqual([false, true, false, false]);
  expect(runs.slice(2).map(({ ahead }) => ahead)).toEqual([0, 0]);
});

it('does not go back with a wall clock that is set back', () => {
  expect(startsAt({ virtualMs: NOW }, 1, NOW - HOUR)).toBe(NOW);
});
