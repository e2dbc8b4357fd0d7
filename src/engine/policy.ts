// The seam: a policy proposes where and when a job runs; decide.ts keeps the contract (deadline, moves, caps) whatever a
// policy proposes.

import { cheapestNow } from './policy/cheapest-now.ts';
import type { Policy } from './policy/proposal.ts';

export const placementPolicy: Policy = cheapestNow;
