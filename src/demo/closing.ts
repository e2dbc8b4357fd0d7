// The last lines of the demo: what was saved, what was survived, what to do next. Every figure is from the result.

import { count, grams, percent, usd } from '../terminal/figures.ts';
import { span } from '../terminal/when.ts';
import type { DemoResult } from './result.ts';

export function closing(r: DemoResult, strong: (text: string) => string): readonly string[] {
  const against = `${usd(r.costUsd)} instead of ${usd(r.onDemandCostUsd)} for starting at once on demand`;
  const money =
    r.savingUsd >= 0
      ? `Saved ${usd(r.savingUsd)} (${percent(r.savingUsd, r.onDemandCostUsd)}): ${against}`
      : `A bad day, a loss of ${usd(-r.savingUsd)}: ${against}`;
  const carbon = `${grams(r.carbonGrams)} instead of ${grams(r.carbonGramsStartNow)}`;
  const equal = r.finalHash !== null && r.finalHash === r.uninterruptedHash;
  const hash = equal
    ? `the final weights equal those of an uninterrupted run (sha256 ${r.finalHash?.slice(0, 12) ?? ''})`
    : 'BUT THE FINAL WEIGHTS DIFFER from those of an uninterrupted run';
  return [
    strong(
      `${money}; ${carbon}. Held ${span(r.heldSeconds * 1000)}, ${r.deadlineMet ? 'done before its deadline' : 'LATE'}. [simulated: ${r.simulated.join(', ')}]`,
    ),
    strong(
      `Survived ${count(r.interruptions, 'interruption')} (${r.zones.join(' -> ')}), ${r.lostWorkSeconds === 0 ? 'no work redone' : `${span(r.lostWorkSeconds * 1000)} of work redone`}: ${hash}.`,
    ),
    strong('Try it on your own script: nerve up, then nerve submit --deadline +6h --duration 1h -- python your_script.py'),
  ];
}
