// Admitted pod specs in Redis under AES-256-GCM. The key is in a file that only the worker mounts: whoever can write to Redis cannot make a pod
// that the worker would create. The job's id is authenticated too, so that one job's pod cannot be put under another's name.

import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Pod } from '../engine/pod/types.ts';
import type { Log, Metrics, SpecVault } from '../ports.ts';
import { asNerveError } from './connection.ts';

const KEPT_SECONDS = 60 * 24 * 3600;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const keyOf = (jobId: string): string => `nerve:pod:${jobId}`;

export function createVault(redis: Redis, secret: Buffer, metrics: Pick<Metrics, 'refused'>, log: Log): SpecVault {
  const key = createHash('sha256').update('nerve pod vault 1').update(secret).digest();
  const failed = (what: string) => (cause: unknown) => Promise.reject(asNerveError(cause, what));
  return {
    keep: async (jobId, pod) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(jobId));
      const sealed = Buffer.concat([cipher.update(JSON.stringify(pod), 'utf8'), cipher.final()]);
      const value = Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
      await redis.set(keyOf(jobId), value, 'EX', KEPT_SECONDS).catch(failed(`Cannot keep the pod of job ${jobId}`));
    },
    open: async (jobId) => {
      const value = await redis.getBuffer(keyOf(jobId)).catch(failed(`Cannot read the pod of job ${jobId}`));
      if (value === null) return null;
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, value.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
          .setAAD(Buffer.from(jobId))
          .setAuthTag(value.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
        const text = Buffer.concat([decipher.update(value.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
        return JSON.parse(text) as Pod;
      } catch {
        metrics.refused('sealed-pod');
        log.error({ jobId }, 'the kept pod of this job does not open: it was not made with this key, and is not used');
        return null;
      }
    },
    forget: async (jobId) => void (await redis.del(keyOf(jobId)).catch(failed(`Cannot forget the pod of job ${jobId}`))),
  };
}
