// The Hooks port over the simulation's training processes: a token finds its process, and a wrong one finds nobody.

import { NerveError } from '../../../src/engine/errors.ts';
import type { Hooks } from '../../../src/ports.ts';
import type { Training } from './training.ts';

export function simHooks(trainingOf: (token: string) => Training | null): Hooks {
  const reach = (token: string): Training => {
    const training = trainingOf(token);
    if (training === null) throw new NerveError('retryable', 'connection refused');
    return training;
  };
  return {
    checkpoint: async (target, { reason, deadlineRealMs }) => reach(target.token).checkpoint(reason, deadlineRealMs),
    progress: async (target) => reach(target.token).progress(),
  };
}
