// How the chart starts the programs of a cluster (charts/nerve-agent/templates/_helpers.tpl; test/chart/render.test.ts holds them together).

export const SMALL_ENV = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '32768',
  MALLOC_TRIM_THRESHOLD_: '32768',
  MALLOC_TOP_PAD_: '16384',
  UV_THREADPOOL_SIZE: '1',
  NODE_DISABLE_COMPILE_CACHE: '1',
} as const;

export const smallFlags = (heapMegabytes: number): readonly string[] => [
  '--optimize-for-size',
  '--v8-pool-size=1',
  '--max-semi-space-size=1',
  `--max-old-space-size=${heapMegabytes}`,
];
