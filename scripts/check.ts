// `npm run check`: every static check, all of them even when one is red. `npm run check -- lint types` runs those two.

import { CHECKS } from './checks.ts';
import { conclude } from './outcome.ts';

const asked = process.argv.slice(2);
const checks = CHECKS.filter((check) => asked.length === 0 || asked.includes(check.name));
let passed = 0;
for (const check of checks) {
  const ran = await check.run(process.cwd());
  const ok = ran.code === 0;
  if (ok) passed += 1;
  console.log(`${ok ? 'ok ' : 'RED'} ${check.name.padEnd(20)} ${check.what.padEnd(22)} ${ran.seconds.toFixed(1)} s`);
  if (!ok) console.log(shortened(ran.output));
}
conclude({ passed, failed: checks.length - passed, skipped: [] });

/** A tree that is unformatted as a whole needs no thousand lines to say so. */
function shortened(output: string): string {
  const lines = output.split('\n');
  return lines.length <= 200 ? output : [...lines.slice(0, 200), `... and ${lines.length - 200} more lines`].join('\n');
}
