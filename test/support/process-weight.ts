// What a process of a test or a bench weighs, from /proc. Of a daemon (test/support/k8s/daemon.ts) the program itself, not the shell that guards it.

import { readFileSync } from 'node:fs';
import type { Daemon } from './k8s/daemon.ts';

const TICKS_A_SECOND = 100;

/** @throws Error when it does not run. */
export function programPid({ name, child }: Daemon): number {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
  const node = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] === process.execPath);
  if (node === undefined) throw new Error(`${name} does not run`);
  return Number(node);
}

export interface Weight {
  /** Megabytes (10^6), as everything here. */
  readonly rssMb: number;
  readonly anonymousMb: number;
  readonly sharedCleanMb: number;
}

export function weightOf(pid: number): Weight {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mb = (name: string): number => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024) / 1e6;
  return { rssMb: mb('Rss'), anonymousMb: mb('Anonymous'), sharedCleanMb: mb('Shared_Clean') };
}

/** User and system time since its start. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}
