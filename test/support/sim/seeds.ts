// Runs many seeds as tests, in blocks so that progress shows, and in several files so that they use every core. The environment
// says how many (NERVE_SIM_SEEDS) or which one (NERVE_SIM_SEED: replayed with its whole story on stderr).

import { expect, it } from 'vitest';
import { scenario } from './scenario.ts';
import { runScenario } from './world.ts';

const DEFAULT_SEEDS = 500;
const BLOCK = 25;
const BLOCK_TIMEOUT_MS = 300_000;

export const replayCommand = (seed: number): string => `NERVE_SIM_SEED=${seed} npx vitest run test/simulation`;

/** What is wrong with this seed's run, with the command that replays it; null if nothing is. */
export async function complaint(seed: number): Promise<string | null> {
  const plan = scenario(seed);
  const { violations } = await runScenario(plan).catch((error: unknown) => ({ violations: [String(error)] }));
  return violations.length === 0 ? null : [`seed ${seed} (${plan.weather})`, ...violations, `replay: ${replayCommand(seed)}`].join('\n  ');
}

/** The tests of one of `parts` files. */
export function simulate(part: number, parts: number): void {
  const one = process.env['NERVE_SIM_SEED'];
  if (one !== undefined) {
    if (part === 1) it(`holds for seed ${one}`, () => replay(Number(one)), BLOCK_TIMEOUT_MS);
    else it('leaves the replay to the first file', () => expect(one).toMatch(/^\d+$/));
    return;
  }
  const seeds = Number(process.env['NERVE_SIM_SEEDS'] ?? DEFAULT_SEEDS);
  const mine = Array.from({ length: seeds }, (_, i) => i + 1).filter((seed) => seed % parts === part % parts);
  for (let from = 0; from < mine.length; from += BLOCK) {
    const block = mine.slice(from, from + BLOCK);
    it(
      `holds for ${block.length} seeds from ${block[0]} to ${block.at(-1)}`,
      async () => {
        const complaints: string[] = [];
        for (const seed of block) {
          const text = await complaint(seed);
          if (text !== null) complaints.push(text);
        }
        expect(complaints.join('\n')).toBe('');
      },
      BLOCK_TIMEOUT_MS,
    );
  }
}

async function replay(seed: number): Promise<void> {
  const { violations, story } = await runScenario(scenario(seed), { story: true });
  process.stderr.write(`${story.join('\n')}\n`);
  expect(violations).toEqual([]);
}
