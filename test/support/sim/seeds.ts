// Runs many seeds as tests, in blocks so that progress shows, and in several files so that they use every core. The environment
// says how many (NERVE_SIM_SEEDS) or which one (NERVE_SIM_SEED: replayed with its whole story on stderr).

import { expect, it } from 'vitest';
import { scenario } from './scenario.ts';
import { runScenario } from './world.ts';

const DEFAULT_SEEDS = 500;
const BLOCK = 25;
const BLOCK_TIMEOUT_MS = 300_000;

const replayCommand = (seed: number): string => `NERVE_SIM_SEED=${seed} npx vitest run test/simulation`;

/** What is wrong with this seed's run, with the command that replays it; null if nothing is. */
async function complaint(seed: number, story: boolean): Promise<string | null> {
  const plan = scenario(seed);
  const outcome = await runScenario(plan, { story }).catch((error: unknown) => ({ violations: [String(error)], story: [] }));
  if (story) process.stderr.write(`${outcome.story.join('\n')}\n`);
  const { violations } = outcome;
  return violations.length === 0 ? null : [`seed ${seed} (${plan.weather})`, ...violations, `replay: ${replayCommand(seed)}`].join('\n  ');
}

/** The tests of one of `parts` files. */
export function simulate(part: number, parts: number): void {
  it.each(blocks(part, parts))(
    'holds for %s',
    async (_name, seeds, story) => {
      const complaints: string[] = [];
      for (const seed of seeds) {
        const text = await complaint(seed, story);
        if (text !== null) complaints.push(text);
      }
      expect(complaints.join('\n')).toBe('');
    },
    BLOCK_TIMEOUT_MS,
  );
}

type Block = readonly [name: string, seeds: readonly number[], story: boolean];

/** One seed to replay goes to the first file; the others then run one block of none. */
function blocks(part: number, parts: number): readonly Block[] {
  const one = process.env['NERVE_SIM_SEED'];
  if (one !== undefined) return [[`seed ${one}`, part === 1 ? [Number(one)] : [], true]];
  const count = Number(process.env['NERVE_SIM_SEEDS'] ?? DEFAULT_SEEDS);
  const mine = Array.from({ length: count }, (_, i) => i + 1).filter((seed) => seed % parts === part % parts);
  return Array.from({ length: Math.ceil(mine.length / BLOCK) }, (_, i) => {
    const block = mine.slice(i * BLOCK, (i + 1) * BLOCK);
    return [`${block.length} seeds from ${block[0]} to ${block.at(-1)}`, block, false] as const;
  });
}
