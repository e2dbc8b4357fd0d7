import { defineConfig } from 'vitest/config';

/** What starts real processes runs one file at a time; everything else is fast, and is found wherever it is. */
const REAL = ['test/{integration,contract}/**/*.test.ts'];
/** Minutes: only the gate runs it. */
const SLOW = ['test/slow/**/*.test.ts'];

/** What `npm test` has no time for (six minutes on two cores): the gate runs it as a part of its own. */
const GATE = [
  'test/integration/{bad-luck,cluster-cli,chart-apiserver,chart-redis,image,drill,stop-without-redis,queue-settings,queue-bulk,redis-server,checkpoints}.test.ts',
  'test/chart/**/*.test.ts',
  'test/house/tools.test.ts',
];

/** A real control plane with fake nodes: only the gate runs it. */
const CLUSTER = ['test/cluster/**/*.test.ts'];

const cluster = {
  test: { name: 'cluster', include: CLUSTER, globalSetup: ['test/support/build-once.ts'], fileParallelism: false, sequence: { groupOrder: 4 } },
};
const gate = {
  test: {
    name: 'gate',
    include: GATE,
    globalSetup: ['test/support/build-once.ts'],
    fileParallelism: false,
    sequence: { groupOrder: 2 },
    testTimeout: 90_000,
    hookTimeout: 90_000,
  },
};
const slow = {
  test: { name: 'slow', include: SLOW, globalSetup: ['test/support/build-once.ts'], fileParallelism: false, sequence: { groupOrder: 3 } },
};

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [...REAL, ...SLOW, ...CLUSTER, ...GATE], testTimeout: 30_000 } },
      {
        test: {
          name: 'integration',
          include: REAL,
          exclude: GATE,
          globalSetup: ['test/support/build-once.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
      ...(process.env['NERVE_GATE'] === '1' ? [gate] : []),
      ...(process.env['NERVE_SLOW'] === '1' ? [slow] : []),
      ...(process.env['NERVE_CLUSTER'] === '1' ? [cluster] : []),
    ],
  },
});
