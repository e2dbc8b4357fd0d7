// `npm test`: unit, integration, contract and simulation tests, and the Python ones. With arguments (`npm test -- test/engine`)
// they go to vitest and Python is left out. Python runs beside, at low priority: most of the time the integration tests, one at a time,
// leave a core idle.

import { conclude } from './outcome.ts';
import { sum } from './results.ts';
import { runPython, runVitest } from './suites.ts';

const filters = process.argv.slice(2);
conclude(filters.length > 0 ? await runVitest(filters) : sum(await Promise.all([runVitest(), runPython()])));
