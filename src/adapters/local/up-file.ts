// `up.json`: how every command finds the running `nerve up` of this user, and how two are kept from running at once. The lock is a
// file created exclusively; its owner is a pid with a start time, so that a killed owner's lock is taken over and a stranger's
// process is never taken for an owner.

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { NerveError } from '../../engine/errors.ts';
import { identify, isAlive, type ProcessIdentity } from '../process/identity.ts';
import type { ClockAnchors } from '../system/clock.ts';

export interface UpInfo {
  readonly owner: ProcessIdentity;
  readonly cloudSocket: string;
  readonly redisUrl: string;
  readonly clock: ClockAnchors;
}

/** The running local cluster, or null. */
export function readUp(upFile: string): UpInfo | null {
  const info = readJson<UpInfo>(upFile);
  return info !== null && isAlive(info.owner) ? info : null;
}

export function writeUp(upFile: string, info: UpInfo): void {
  writeJson(upFile, info);
}

/** @throws NerveError `refused` while another `nerve up` of this user runs. */
export function lock(upFile: string): { release(): void } {
  const path = `${upFile}.lock`;
  const me = identify(process.pid);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, JSON.stringify(me), { mode: 0o600 });
  try {
    for (let round = 0; round < 3; round++) {
      if (linked(mine, path)) return { release: () => rmSync(path, { force: true }) };
      const owner = readJson<ProcessIdentity>(path);
      if (owner !== null && isAlive(owner)) {
        throw new NerveError('refused', `Another "nerve up" of yours runs already (pid ${owner.pid}).`, {
          hint: 'Use it as it is, or end it with "nerve down".',
        });
      }
      takeAway(path, mine);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  throw new NerveError('refused', 'Several "nerve up" start at this moment.', { hint: 'Try again.' });
}

/** Removes a dead owner's lock. Somebody may have done that first and hold it now: what was taken from the living is put back. */
function takeAway(path: string, mine: string): void {
  const away = `${mine}.away`;
  try {
    renameSync(path, away);
  } catch {
    return;
  }
  const owner = readJson<ProcessIdentity>(away);
  if (owner !== null && isAlive(owner)) linked(away, path);
  rmSync(away, { force: true });
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}

export function readJson<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return null;
  }
}

/** Whole or not at all. */
export function writeJson(path: string, value: unknown): void {
  const beside = `${path}.${process.pid}.new`;
  try {
    writeFileSync(beside, JSON.stringify(value), { mode: 0o600 });
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
