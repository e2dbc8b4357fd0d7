// NERVE_LOG_LEVEL, which the chart sets from `logLevel`. From the environment alone: a log is opened before any file is read.

import { NerveError } from '../engine/errors.ts';
import type { Environment } from './environment.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
type LogLevel = (typeof LEVELS)[number];

/** `info` where nothing is said. @throws NerveError `usage` for anything else than a level. */
export function logLevel(env: Environment): LogLevel {
  const text = env['NERVE_LOG_LEVEL'] ?? '';
  if (text === '') return 'info';
  const level = LEVELS.find((name) => name === text);
  if (level !== undefined) return level;
  throw new NerveError('usage', `NERVE_LOG_LEVEL is "${text}", which is no level.`, {
    hint: `Set it to one of ${LEVELS.join(', ')}; in a cluster with the chart value logLevel.`,
  });
}
