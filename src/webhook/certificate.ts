// The certificate, from the folder where the kubelet mounts a Secret, and again whenever it changes.
//
// Surprise: the kubelet swaps a symbolic link, and the two files of a pair may be seen a moment apart; a pair that does not fit is
// left for the next look, and the old one goes on.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { NerveError } from '../engine/errors.ts';
import type { Clock, Log } from '../ports.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** @throws NerveError `fatal` when there is no usable pair. */
export async function readCertificate(folder: string): Promise<Certificate> {
  try {
    const [cert, key] = await Promise.all([readFile(join(folder, 'tls.crt'), 'utf8'), readFile(join(folder, 'tls.key'), 'utf8')]);
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    throw new NerveError(
      'fatal',
      `The webhook's certificate in ${folder} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause,
        hint: 'Check the Secret that is mounted there: tls.crt and tls.key in PEM.',
      },
    );
  }
}

export interface Following {
  readonly folder: string;
  readonly everyRealMs: number;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Log;
}

/** Calls back with each new pair until aborted. */
export async function followCertificate(
  first: Certificate,
  following: Following,
  changed: (to: Certificate) => void,
  signal: AbortSignal,
): Promise<void> {
  let last = first;
  while (!signal.aborted) {
    await following.clock.sleep(following.everyRealMs, signal);
    if (signal.aborted) return;
    try {
      const now = await readCertificate(following.folder);
      if (now.cert === last.cert && now.key === last.key) continue;
      changed(now);
      last = now;
      following.log.info({}, 'new certificate');
    } catch (error) {
      following.log.warn({ err: error }, 'the new certificate cannot be used; the old one goes on');
    }
  }
}
