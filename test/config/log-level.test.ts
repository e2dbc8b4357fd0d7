import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createLog } from '../../src/adapters/system/log.ts';
import { logLevel } from '../../src/config/log-level.ts';

it('is info where nothing is said, and one of five words', () => {
  expect(logLevel({})).toBe('info');
  expect(logLevel({ NERVE_LOG_LEVEL: '' })).toBe('info');
  expect(logLevel({ NERVE_LOG_LEVEL: 'debug' })).toBe('debug');
});

it('refuses anything else as a usage error that names the words', () => {
  for (const text of ['verbose', 'INFO', '30'])
    expect(() => logLevel({ NERVE_LOG_LEVEL: text })).toThrow(
      expect.objectContaining({ kind: 'usage', hint: expect.stringContaining('trace, debug, info') }),
    );
});

it('decides what a log writes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nerve-log-'));
  const file = join(folder, 'log');
  for (const level of ['warn', 'debug'] as const) {
    const log = createLog(level, level, file);
    log.debug({}, 'detail');
    log.warn({}, 'trouble');
  }
  const lines = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; msg: string });
  expect(lines.map(({ name, msg }) => [name, msg])).toEqual([
    ['warn', 'trouble'],
    ['debug', 'detail'],
    ['debug', 'trouble'],
  ]);
  rmSync(folder, { recursive: true });
});
