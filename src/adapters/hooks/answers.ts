// What a checkpoint hook may answer (docs/checkpoint-contract.md), checked field by field. By hand and not with zod: this is the only thing
// that the agent would load it for, and it costs 5 MB on every node (bench/results/soak.md).

import type { HookProgress, Hooks } from '../../ports.ts';

type Seal = Awaited<ReturnType<Hooks['checkpoint']>>;
type Fields = Readonly<Record<string, unknown>>;

const MAX_ID = 64;

/** @throws Error naming the field. */
export function readSeal(value: unknown): Seal {
  const fields = object(value, 'the answer');
  return { id: id(fields, 'id'), step: count(fields, 'step'), bytes: count(fields, 'bytes'), durationMs: atLeastZero(fields, 'durationMs') };
}

/** @throws Error naming the field. */
export function readProgress(value: unknown): HookProgress {
  const fields = object(value, 'the answer');
  const resumed = orNull(fields, 'resumed', (inner) => object(inner, 'resumed'));
  const last = orNull(fields, 'lastCheckpoint', (inner) => object(inner, 'lastCheckpoint'));
  return {
    step: count(fields, 'step'),
    totalSteps: orNull(fields, 'totalSteps', () => count(fields, 'totalSteps')),
    stepsPerSecond: orNull(fields, 'stepsPerSecond', () => atLeastZero(fields, 'stepsPerSecond')),
    resumed:
      resumed === null
        ? null
        : {
            step: count(resumed, 'step'),
            epoch: count(resumed, 'epoch'),
            checkpointId: orNull(resumed, 'checkpointId', () => id(resumed, 'checkpointId')),
            ageSeconds: age(resumed),
          },
    lastCheckpoint: last === null ? null : { ...readSeal(last), final: flag(last, 'final'), ageSeconds: age(last) },
  };
}

function object(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no object`);
  return value as Fields;
}

/** What may be null must still be there. */
function orNull<T>(fields: Fields, name: string, read: (value: unknown) => T): T | null {
  return fields[name] === null ? null : read(fields[name]);
}

function id(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string' || value.length > MAX_ID) throw new Error(`${name} is no text of at most ${MAX_ID} characters`);
  return value;
}

function count(fields: Fields, name: string): number {
  const value = fields[name];
  if (!Number.isSafeInteger(value) || Number(value) < 0) throw new Error(`${name} is no whole number from 0`);
  return Number(value);
}

function atLeastZero(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw new Error(`${name} is no number from 0`);
  return value;
}

const age = (fields: Fields): number => (fields['ageSeconds'] === undefined ? 0 : atLeastZero(fields, 'ageSeconds'));

function flag(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== 'boolean') throw new Error(`${name} is neither true nor false`);
  return value;
}
