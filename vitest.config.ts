import { defineConfig } from 'vitest/config';

/** What starts real processes runs one file at a time; everything else is fast, and is found wherever it is. */
const REAL = ['test/{integration,contract}/**/*.test.ts'];
/** Minutes: only the gate runs it. */
const SLOW = ['test/slow/**/*.test.ts'];

/** A real control plane with fake nodes: only the gate runs it. */
const CLUSTER = ['test/cluster/**/*.test.ts'];

const cluster = { test: { name: 'cluster', include: CLUSTER, fileParallelism: false, sequence: { groupOrder: 3 } } };
const slow = {
  test: { name: 'slow', include: SLOW, globalSetup: ['test/support/build-once.ts'], fileParallelism: false, sequence: { groupOrder: 2 } },
};

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [...REAL, ...SLOW, ...CLUSTER], testTimeout: 30_000 } },
      {
        test: {
          name: 'integration',
          include: REAL,
          globalSetup: ['test/support/build-once.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
      ...(process.env['NERVE_SLOW'] === '1' ? [slow] : []),
      ...(process.env['NERVE_CLUSTER'] === '1' ? [cluster] : []),
    ],
  },
});
