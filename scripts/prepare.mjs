// npm runs this after `npm ci` in a clone: it builds dist/, so that `npx nerve` starts fast. Plain JavaScript, because it must not
// fail on an old Node or without dev dependencies: then nothing is built, and it says so.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
const newEnough = major > 22 || (major === 22 && minor >= 19);
if (!existsSync('node_modules/esbuild')) console.error('nerve: not built (development dependencies are missing).');
else if (!newEnough) console.error(`nerve: not built (Node ${process.versions.node} is too old, 22.19 is needed).`);
else process.exitCode = spawnSync(process.execPath, ['scripts/build.ts'], { stdio: 'inherit' }).status ?? 1;
