// `npm run bench:queue`: 100,000 held jobs on a real Redis. Writes bench/results/queue.md, and fails outside bench/ranges.json.
// `-- --jobs 10000 --seconds 10 --rounds 1` is a quick look: shown, neither kept nor judged.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { JobRecord } from '../../src/engine/record.ts';
import { figure, held, LATER_MS, lookAtAll, lookOneByOne } from './decide.ts';
import { type Figure, machine, outside, rangesIn, shown, table } from './figures.ts';
import { alike, eveningClock, market, newJob, settingsOf, spec, watched } from './jobs.ts';
import { measureLateness } from './lateness.ts';
import { readAll, writeAll } from './records.ts';
import { startServer } from './server.ts';
import { measureSubmit } from './submit.ts';

const WHOLE = { jobs: '100000', seconds: '60', rounds: '3' };
const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: WHOLE.jobs },
    seconds: { type: 'string', default: WHOLE.seconds },
    rounds: { type: 'string', default: WHOLE.rounds },
  },
});
const whole = Object.entries(WHOLE).every(([name, value]) => values[name as keyof typeof WHOLE] === value);
const root = resolve(import.meta.dirname, '../..');
const ranges = rangesIn(join(root, 'bench/ranges.json'));
const count = Number(values.jobs);
const runs = Number(values.rounds);
const settings = settingsOf();
const clock = eveningClock();
const server = await startServer(clock);
const where = machine(server.version);
const figures: Figure[] = [];
const say = (...measured: readonly Figure[]): void => {
  figures.push(...measured);
  for (const { what, value, unit, note } of measured) console.log(`${what}: ${shown(value)} ${unit} (${note})`);
};

try {
  const emptyBytes = await server.usedBytes();
  const jobs = Array.from({ length: count }, (_, i) => newJob(spec(i), settings));
  say(...(await measureSubmit(server, jobs, runs)));
  say(...(await measureLateness(server, clock, Number(values.seconds))));

  const view = await market();
  const ids = jobs.map(({ jobId }) => jobId);
  const submitted = await readAll(server, ids);
  const first = lookAtAll(submitted, view, settings, 0, runs);
  say(figure('decideFirstSeconds', '`decide`, first look at all of them', first), lookOneByOne(submitted, view, settings));
  await writeAll(server, submitted, held(submitted, first.decisions));
  const bytes = (await server.usedBytes()) - emptyBytes;
  say({
    name: 'bytesPerHeldJob',
    what: 'memory of a held job',
    value: bytes / count,
    unit: 'B',
    note: 'record `[submitted][planned]`, alarm, and its share of all else',
  });
  const again = await readAll(server, ids);
  say(figure('decideLaterSeconds', '`decide`, every later look at all of them', lookAtAll(again, view, settings, LATER_MS, runs)));

  const feed = { ...view, availability: watched() };
  const kind: readonly JobRecord[] = jobs.map((_, i) => {
    const { jobId, events } = newJob(alike(i), settings);
    return { jobId, version: 1, events };
  });
  const firstWatched = lookAtAll(kind, feed, settings, 0, 1);
  say(figure('decideFirstWatchedSeconds', 'the same where spot was watched: first look', firstWatched));
  const laterWatched = lookAtAll(held(kind, firstWatched.decisions), feed, settings, LATER_MS, runs);
  say(figure('decideLaterWatchedSeconds', 'every later look', laterWatched));
} finally {
  await server.stop();
}

const report = [
  '# Queue',
  '',
  `Written by \`npm run bench:queue\`; the ranges are in \`bench/ranges.json\`. ${shown(count)} jobs, held for the night, on the embedded Redis.`,
  '',
  table(figures, ranges),
  '',
  "`decide` is timed as the worker calls it, from the records in Redis, which it folds; in seconds of one core. The market is production's: prices",
  'alone. Nothing keeps a history of availability yet (decision 0007); what one would cost, for jobs of one kind as counted there, is shown beside it.',
  '',
  ...where,
  '',
].join('\n');
if (whole) {
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  writeFileSync(join(root, 'bench/results/queue.md'), report);
  const failures = outside(figures, ranges);
  for (const failure of failures) console.error(`OUT OF RANGE: ${failure}`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}
