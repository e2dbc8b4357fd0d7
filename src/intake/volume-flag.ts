// `--volume`: `claim/NAME:/path`, `secret/NAME:/path`, `configmap/NAME:/path` or `scratch:/path`, with `:ro` behind it.

import { NerveError } from '../engine/errors.ts';

export interface Mount {
  readonly volume: { readonly name: string; readonly [source: string]: unknown };
  readonly mount: { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean };
}

/** @throws NerveError `usage`. */
export function volumeOf(text: string, n: number): Mount {
  const [, kind = '', source, path = '', ro] = /^(claim|secret|configmap|scratch)(?:\/([a-z0-9][a-z0-9.-]*))?:(\/[^:]*)(:ro)?$/.exec(text) ?? [];
  const given = sourceOf(kind, source);
  if (given === null)
    throw new NerveError('usage', `--volume "${text}" cannot be read.`, {
      hint: 'Write claim/NAME:/path, secret/NAME:/path, configmap/NAME:/path or scratch:/path; :ro behind it means read only.',
    });
  const name = `volume-${n + 1}`;
  return { volume: { name, ...given }, mount: { name, mountPath: path, ...(ro === undefined ? {} : { readOnly: true }) } };
}

function sourceOf(kind: string, name: string | undefined): Readonly<Record<string, unknown>> | null {
  if (kind === 'scratch') return name === undefined ? { emptyDir: {} } : null;
  if (name === undefined) return null;
  if (kind === 'claim') return { persistentVolumeClaim: { claimName: name } };
  if (kind === 'secret') return { secret: { secretName: name } };
  return kind === 'configmap' ? { configMap: { name } } : null;
}
