// A signal that aborts on SIGINT, SIGTERM and SIGHUP (the terminal was closed), and, for the children of `nerve up`, when their stdin closes: their parent is gone then.

export function untilStopped(followStdin = false): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort());
  if (followStdin) {
    process.stdin.on('close', () => stop.abort());
    process.stdin.on('end', () => stop.abort());
    process.stdin.on('error', () => stop.abort());
    process.stdin.resume();
    process.stdin.unref?.();
  }
  return stop.signal;
}

export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
