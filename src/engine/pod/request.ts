// Asks of users, `<ask>#<nonce>` in nerve.io/request, as events. Each is taken once: the worker writes the whole text into request-seen.

import type { JobEvent } from '../record.ts';
import type { JobState } from '../state.ts';
import { instant } from './read.ts';

/** Null: nothing to record, because it cannot be read, or is so already. */
export function requestEvent(text: string, state: JobState, atMs: number): JobEvent | null {
  const [ask = ''] = text.split('#');
  switch (ask) {
    case 'cancel':
      return state.cancelRequested ? null : { type: 'cancel-requested', atMs };
    case 'pause':
      return state.pausedByUser ? null : { type: 'paused', atMs };
    case 'resume':
      return state.pausedByUser ? { type: 'unpaused', atMs } : null;
    case 'move':
      return { type: 'move-requested', atMs };
    case 'release':
      return state.releaseRequested ? null : { type: 'release-requested', atMs };
    default: {
      const deadlineMs = ask.startsWith('deadline=') ? instant(ask.slice('deadline='.length)) : null;
      return deadlineMs === null || deadlineMs === state.deadlineMs ? null : { type: 'amended', atMs, deadlineMs };
    }
  }
}
