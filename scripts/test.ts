// `npm test`: unit, integration, contract and simulation tests, and the Python ones. With arguments (`npm test -- test/engine`)
// they go to vitest and Python is left out.

import { conclude } from './outcome.ts';
import { sum } from './results.ts';
import { runPython, runVitest } from './suites.ts';

const filters = process.argv.slice(2);
const vitest = await runVitest(filters);
conclude(filters.length > 0 ? vitest : sum([vitest, await runPython()]));
