// Memory as Kubernetes counts it: usage of the cgroup minus its inactive file pages (the kubelet's "working set"). Where this machine lets us make
// a cgroup of our own that is what is measured; where it does not, anonymous and shared clean pages of the process stand in for it, and the results say so.

import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { weightOf } from '../../test/support/process-weight.ts';

export interface Scale {
  readonly how: string;
  /** A command line that runs `command` in here. */
  enter(command: readonly string[]): readonly [string, ...string[]];
  /** Megabytes. */
  workingSetMb(pid: number): number;
  close(): void;
}

const plain = (): Scale => ({
  how: 'no cgroup could be made here: anonymous and shared clean pages of the process',
  enter: ([program = '', ...args]) => [program, ...args],
  workingSetMb: (pid) => {
    const { anonymousMb, sharedCleanMb } = weightOf(pid);
    return anonymousMb + sharedCleanMb;
  },
  close: () => undefined,
});

export function scale(name: string): Scale {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  const v1 = lines.find((line) => line.split(':')[1] === 'memory')?.split(':')[2];
  const v2 = lines.find((line) => line.startsWith('0::'))?.slice(3);
  const places = [
    ...(v1 === undefined
      ? []
      : [{ at: join('/sys/fs/cgroup/memory', v1), usage: 'memory.usage_in_bytes', inactive: 'total_inactive_file', version: 1 }]),
    ...(v2 === undefined ? [] : [{ at: join('/sys/fs/cgroup', v2), usage: 'memory.current', inactive: 'inactive_file', version: 2 }]),
  ];
  for (const { at, usage, inactive, version } of places) {
    const folder = join(at, `nerve-soak-${name}-${process.pid}`);
    try {
      mkdirSync(folder);
      readFileSync(join(folder, usage));
    } catch {
      continue;
    }
    return {
      how: `usage less inactive file pages of a cgroup of its own (v${version})`,
      enter: (command) => ['/bin/sh', '-c', `echo $$ > '${join(folder, 'cgroup.procs')}' && exec "$@"`, 'sh', ...command],
      workingSetMb: () => {
        const stat = readFileSync(join(folder, 'memory.stat'), 'utf8');
        const inactiveBytes = Number(new RegExp(`^${inactive} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
        return (Number(readFileSync(join(folder, usage), 'utf8')) - inactiveBytes) / 1e6;
      },
      close: () => rmdirSync(folder),
    };
  }
  return plain();
}
