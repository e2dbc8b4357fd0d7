// The seam: a policy proposes where and when a job runs; decide.ts keeps the contract (deadline, moves, caps) whatever a
// policy proposes. Where the market's comings and goings were watched, they are planned with; where not, with prices alone.

import { cheapestNow } from './policy/cheapest-now.ts';
import { semiMarkov } from './policy/markov.ts';
import type { Policy } from './policy/proposal.ts';

export const placementPolicy: Policy = (context) => (context.market.availability === undefined ? cheapestNow : semiMarkov)(context);
