// admission.k8s.io/v1 in and out. The API server writes the review, so its shape is known, but nothing in it is trusted: whatever does
// not have the expected shape is null, and the pod goes on as it is.
//
// Surprise: `uid` names one call, not the creation: under reinvocation the same pod comes with another one.

import type { Container, Pod } from '../engine/pod/types.ts';

export type PatchOperation =
  | { readonly op: 'add'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** What Nerve answers about one object. It has no way to say no. */
export interface Verdict {
  /** For log and metrics: what was done. */
  readonly outcome: 'adopted' | 'left' | 'away' | 'own' | 'job' | 'unreadable';
  readonly patch: readonly PatchOperation[];
  /** Sentences; kubectl shows them to whoever creates the pod. */
  readonly warnings: readonly string[];
  readonly jobId: string | null;
}

export const untouched = (outcome: Verdict['outcome'], ...warnings: readonly string[]): Verdict => ({ outcome, patch: [], warnings, jobId: null });

export interface AdmissionRequest {
  readonly uid: string;
  readonly kind: string;
  readonly namespace: string;
  readonly username: string;
  readonly object: unknown;
}

/** Null when there is nothing that could be answered about. */
export function requestOf(body: unknown): AdmissionRequest | null {
  const request = isMap(body) ? body['request'] : null;
  if (!isMap(request)) return null;
  const kind = isMap(request['kind']) ? request['kind']['kind'] : null;
  const user = isMap(request['userInfo']) ? request['userInfo']['username'] : null;
  if (typeof kind !== 'string' || request['operation'] !== 'CREATE') return null;
  return { uid: uidOf(body), kind, namespace: word(request['namespace']), username: word(user), object: request['object'] };
}

export function uidOf(body: unknown): string {
  return isMap(body) && isMap(body['request']) ? word(body['request']['uid']) : '';
}

/** The whole answer, as it goes over the wire. */
export function reviewOf(uid: string, { patch, warnings }: Verdict): unknown {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed: true,
      ...(patch.length === 0 ? {} : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
      ...(warnings.length === 0 ? {} : { warnings: warnings.map(asHeader) }),
    },
  };
}

/** The API server sends it on as a header: no control characters, and its own limit. Some of it is what users wrote. */
function asHeader(text: string): string {
  const line = `nerve: ${text}`.replace(/[\p{Cc}\p{Cs}]+/gu, ' ');
  return line.length > WARNING_LIMIT ? `${line.slice(0, WARNING_LIMIT - 3)}...` : line;
}

const WARNING_LIMIT = 256;

/** A pod whose every part that Nerve reads has the shape that the API server gives it. */
export function podOf(value: unknown): Pod | null {
  if (!isMap(value) || !isMeta(value['metadata']) || !isMap(value['spec'])) return null;
  const spec = value['spec'];
  const { containers } = spec;
  if (!isList(containers, isContainer) || containers.length === 0) return null;
  if (!isAbsent(spec['schedulingGates'], (v) => isList(v, isNamed)) || !isAbsent(spec['volumes'], (v) => isList(v, isNamed))) return null;
  if (!isAbsent(spec['tolerations'], (v) => isList(v, isMap)) || !isAbsent(spec['terminationGracePeriodSeconds'], isNumber)) return null;
  if (!['nodeName', 'restartPolicy'].every((key) => isAbsent(spec[key], isString))) return null;
  return value as unknown as Pod;
}

export type Map = Readonly<Record<string, unknown>>;

export const isMap = (value: unknown): value is Map => typeof value === 'object' && value !== null && !Array.isArray(value);
export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isString = (value: unknown): value is string => typeof value === 'string';
/** JSON's null counts as left out. */
export const isAbsent = (value: unknown, otherwise: (value: unknown) => boolean): boolean =>
  value === undefined || value === null || otherwise(value);

const isList = <T>(value: unknown, each: (item: unknown) => item is T): value is readonly T[] => Array.isArray(value) && value.every(each);
const isNamed = (value: unknown): value is Map & { name: string } => isMap(value) && isString(value['name']);
const isContainer = (value: unknown): value is Container => isNamed(value) && isAbsent(value['env'], (env) => isList(env, isNamed));
const isStrings = (value: unknown): boolean => isMap(value) && Object.values(value).every(isString);
const isOwner = (value: unknown): value is Map => isMap(value) && ['apiVersion', 'kind', 'name', 'uid'].every((key) => isString(value[key]));

export function isMeta(value: unknown): boolean {
  if (!isMap(value)) return false;
  const plain = ['name', 'generateName', 'namespace'].every((key) => isAbsent(value[key], isString));
  return (
    plain &&
    ['labels', 'annotations'].every((key) => isAbsent(value[key], isStrings)) &&
    isAbsent(value['ownerReferences'], (v) => isList(v, isOwner))
  );
}

const word = (value: unknown): string => (typeof value === 'string' ? value : '');
