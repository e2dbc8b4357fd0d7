// `npm run build`: bundles src/cli.ts into dist/, one chunk per lazily imported file, so that a command loads only what it
// needs. Worker and agent are commands of the same bundle; in a cluster dist/pod.js starts them.
//
// Surprises: packages that are CommonJS inside (bullmq, pino) call `require` at run time, hence the banner; and the compile
// cache must be on before the first import is evaluated, hence a separate dist/cli.js that turns it on and then imports. oclif finds
// the commands by importing the file that runs them (package.json, oclif.commands): src/cli.ts must export the table and must not
// wait for `execute` at its top level, or the two wait for each other ("unsettled top-level await", exit 13).

import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { lightQueue } from './light-queue.ts';
import { lightStart } from './light-start.ts';

const ENTRY = 'src/cli.ts';
/** The programs of a cluster start without the command line around them. */
const POD = 'src/pod.ts';
const START = `process.getBuiltinModule('node:module').enableCompileCache();
const [, , role, ...rest] = process.argv;
const pod = process.env.NERVE_TARGET === 'cluster' && (role === 'agent' || role === 'worker') && !rest.includes('--help');
await import(pod ? './pod.js' : './main.js');
`;

if (existsSync(ENTRY)) {
  await rm('dist', { recursive: true, force: true });
  await build({
    entryPoints: { main: ENTRY, pod: POD },
    outdir: 'dist',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: false,
    legalComments: 'none',
    // oclif would use it to run other people's TypeScript plugins.
    external: ['typescript'],
    plugins: [lightStart, lightQueue],
    banner: { js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  await writeFile('dist/cli.js', START);
} else {
  console.error(`nerve: nothing to build, there is no ${ENTRY}.`);
}
