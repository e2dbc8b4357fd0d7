// Virtual time. Tasks run in order of (time, order of asking); after each one every promise that can go on does so before
// the next task, so one seed gives one run. Nothing here waits for real time.

export interface SimTime {
  /** True time, epoch ms. No process sees it: each has a clock of its own, which may jump. */
  nowMs(): number;
  /** Runs `task` at `atMs` (at once if that has passed); the answer cancels it. */
  at(atMs: number, task: () => void): () => void;
  /** Resolves early, without error, when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs tasks until `done` or `untilMs`; answers how many ran. */
  run(untilMs: number, done: () => boolean): Promise<number>;
}

interface Task {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | null;
}

export function simTime(startMs: number): SimTime {
  const heap: Task[] = [];
  let nowMs = startMs;
  let order = 0;

  const at = (atMs: number, run: () => void): (() => void) => {
    const task: Task = { atMs: Math.max(nowMs, Number.isFinite(atMs) ? Math.ceil(atMs) : Number.MAX_SAFE_INTEGER), order: order++, run };
    push(heap, task);
    return () => {
      task.run = null;
    };
  };
  return {
    nowMs: () => nowMs,
    at,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) {
          resolve();
          return;
        }
        const cancel = at(nowMs + Math.max(0, ms), () => {
          signal?.removeEventListener('abort', early);
          resolve();
        });
        const early = (): void => {
          cancel();
          resolve();
        };
        signal?.addEventListener('abort', early, { once: true });
      }),
    async run(untilMs, done) {
      let steps = 0;
      await drained();
      while (!done()) {
        if (steps >= MOST_STEPS) throw new Error(`after ${MOST_STEPS} steps there is no end to it at ${new Date(nowMs).toISOString()}`);
        const next = heap[0];
        if (next === undefined || next.atMs > untilMs) break;
        const task = pop(heap) ?? next;
        if (task.run === null) continue;
        nowMs = task.atMs;
        task.run();
        steps++;
        await drained();
      }
      return steps;
    },
  };
}

/** An ordinary run has a few thousand. */
const MOST_STEPS = 200_000;

/** After every promise that can go on: the event loop turns once. */
const drained = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const before = (a: Task, b: Task): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

function push(heap: Task[], task: Task): void {
  let i = heap.push(task) - 1;
  while (i > 0) {
    const up = (i - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || before(parent, task)) break;
    heap[i] = parent;
    i = up;
  }
  heap[i] = task;
}

function pop(heap: Task[]): Task | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let i = 0;
  for (;;) {
    const left = heap[2 * i + 1];
    const right = heap[2 * i + 2];
    const child = right !== undefined && left !== undefined && before(right, left) ? right : left;
    if (child === undefined || before(last, child)) break;
    heap[i] = child;
    i = child === right ? 2 * i + 2 : 2 * i + 1;
  }
  heap[i] = last;
  return first;
}
