// What the chart starts is dist/pod.js: worker and agent without the command line around them. The agent is on every node, so what it loads
// is looked at file by file.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const dist = join(import.meta.dirname, '../../dist');

function started(...args: readonly string[]) {
  const env = { PATH: process.env['PATH'], NERVE_TARGET: 'cluster', NERVE_REDIS_URL: '/nowhere' };
  const { status, stderr } = spawnSync(process.execPath, [join(dist, 'cli.js'), ...args], { env, encoding: 'utf8' });
  return { status, stderr };
}

/** Every file of the bundle that is loaded when this one is. */
function loadedWith(file: string, seen: Set<string> = new Set()): ReadonlySet<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*"(\.\/[^"]+\.js)"/g))
    loadedWith(join(dirname(file), name), seen);
  return seen;
}

describe('the programs of a cluster', () => {
  it.each(['agent', 'worker'])('say in one sentence that the %s is not in a cluster', (role) => {
    const { status, stderr } = started(role);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^nerve: This program works inside a cluster/);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('refuse a flag that there is not', () => {
    expect(started('agent', '--nonsense').status).not.toBe(0);
  });

  it('show the help of the command line', () => {
    expect(started('agent', '--help')).toMatchObject({ status: 0 });
  });

  it('are an agent that loads no command line, no schema and no YAML', () => {
    const wire = /import\("\.\/(wire-agent-[^"]+\.js)"\)/.exec(readFileSync(join(dist, 'pod.js'), 'utf8'))?.[1];
    expect(wire).toBeDefined();
    const files = [...loadedWith(join(dist, 'pod.js')), ...loadedWith(join(dist, wire ?? ''))];
    const text = files.map((file) => readFileSync(file, 'utf8')).join('\n');
    expect(text).toContain('asking for a final checkpoint');
    for (const stranger of ['ZodError', 'YAMLParseError', 'oclif', 'BullMQ', 'nerve:live'])
      expect([stranger, text.includes(stranger)]).toEqual([stranger, false]);
  });
});
