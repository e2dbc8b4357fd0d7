// Logs: one JSON object a line, to stderr or a file, through pino. stdout is data and is never logged to.

import { pino } from 'pino';
import type { Log } from '../../ports.ts';

type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

export function createLog(name: string, level: LogLevel, dest: number | string = 2): Log {
  const destination = pino.destination({ dest, sync: true, append: true });
  // A line that cannot be written (disk full, terminal gone) is lost; the process is not.
  destination.on('error', () => undefined);
  return pino({ level, base: { name, pid: process.pid } }, destination);
}

export const silentLog: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
