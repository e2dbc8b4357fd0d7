// Whether this machine is fit for "nerve up". Pure.

import { fail, type Finding, ok, warn } from './finding.ts';

export interface LocalFacts {
  readonly node: string;
  /** Null: none on PATH. */
  readonly python: string | null;
  readonly redis: { readonly path: string; readonly from: string } | { readonly refused: string; readonly fix: string };
  readonly stateDir: string;
  /** Permission bits; null: not there yet, and can be made. */
  readonly stateMode: number | null;
  readonly writable: boolean;
  readonly freeBytes: number | null;
  readonly up: boolean;
}

const PYTHON_LEAST = [3, 9] as const;
const FREE_BYTES_LEAST = 1e9;

export function judgeLocal(facts: LocalFacts): readonly Finding[] {
  return [
    ok('node', `Node ${facts.node}`),
    python(facts.python),
    redis(facts.redis),
    ...state(facts),
    facts.up ? ok('up', '"nerve up" runs') : warn('up', '"nerve up" does not run', 'Start it: nerve up'),
  ];
}

function python(version: string | null): Finding {
  if (version === null)
    return warn('python', 'there is no python3 on PATH', 'Install Python 3.9 or newer: the checkpoint SDK and the examples need it.');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > PYTHON_LEAST[0] || (major === PYTHON_LEAST[0] && minor >= PYTHON_LEAST[1])
    ? ok('python', `Python ${version}`)
    : fail('python', `Python ${version} is too old for the checkpoint SDK`, 'Install Python 3.9 or newer.');
}

const redis = (found: LocalFacts['redis']): Finding =>
  'refused' in found ? fail('redis', found.refused, found.fix) : ok('redis', `Redis: ${found.path} (from ${found.from})`);

function state({ stateDir, stateMode, writable, freeBytes }: LocalFacts): readonly Finding[] {
  if (!writable) return [fail('state', `the state folder ${stateDir} cannot be written`, 'Correct its owner, or set NERVE_STATE_DIR.')];
  const open = stateMode !== null && (stateMode & 0o077) !== 0;
  return [
    open
      ? warn('state', `the state folder ${stateDir} can be read by others (mode ${stateMode.toString(8)})`, `chmod 700 ${stateDir}`)
      : ok('state', `state folder ${stateDir}`),
    ...(freeBytes !== null && freeBytes < FREE_BYTES_LEAST
      ? [warn('disk', `only ${Math.round(freeBytes / 1e6)} MB are free for checkpoints`, 'Free some space, or set NERVE_STATE_DIR to another disk.')]
      : []),
  ];
}
