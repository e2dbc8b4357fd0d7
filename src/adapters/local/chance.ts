// Seeded chance without state: the same seed and keys give the same number in every process, in any order.

import { createHash } from 'node:crypto';

/** In [0, 1). */
export function chance(seed: string, ...keys: readonly (string | number)[]): number {
  return (
    createHash('sha256')
      .update([seed, ...keys].join('|'))
      .digest()
      .readUInt32BE(0) /
    2 ** 32
  );
}
