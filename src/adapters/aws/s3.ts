// Checkpoints in a bucket, with the user's own credentials (the SDK's default chain; AWS_ENDPOINT_URL names another service than Amazon's).
//
// Surprise: importing the SDK takes most of a second, so whoever needs this file imports it when needed.

import { randomBytes } from 'node:crypto';
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { NerveError } from '../../engine/errors.ts';
import type { SealLog } from '../../ports.ts';

const MAX_ENTRY_BYTES = 1 << 20;
const ATTEMPTS = 3;
const CONNECT_TIMEOUT_MS = 10_000;

export interface S3Options {
  /** Another service than Amazon's; its buckets are parts of the path, not of the host's name. */
  readonly endpoint: string | null;
  /** Where neither environment nor profile names one. */
  readonly region: string | null;
}

/** `s3://bucket/prefix` */
export function s3SealLog(uri: string, { endpoint, region }: S3Options): SealLog {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri) ?? [];
  const prefix = path === '' ? '' : `${path.replace(/\/+$/, '')}/`;
  const client = new S3Client({
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: 30_000 },
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    ...(region === null ? {} : { region }),
  });
  const told = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw errorFrom(error, uri, bucket);
    });

  async function put(key: string, body: string): Promise<boolean> {
    try {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, IfNoneMatch: '*' }));
      return true;
    } catch (error) {
      // 409: somebody else is at it this very moment.
      if (['PreconditionFailed', 'ConditionalRequestConflict'].includes(nameOf(error)) || [409, 412].includes(statusOf(error))) return false;
      throw error;
    }
  }

  async function read(key: string): Promise<string | null> {
    try {
      const { Body, ContentLength = 0 } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return ContentLength > MAX_ENTRY_BYTES || Body === undefined ? null : await Body.transformToString();
    } catch (error) {
      if (['NoSuchKey', 'NotFound'].includes(nameOf(error))) return null;
      throw error;
    }
  }

  async function list(): Promise<readonly number[]> {
    const numbers: number[] = [];
    for (let next: string | undefined; ; ) {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}seal/`, ...(next === undefined ? {} : { ContinuationToken: next }) }),
      );
      for (const { Key = '' } of page.Contents ?? []) {
        const [, digits] = /\/(\d{10})\.json$/.exec(`/${Key.slice(prefix.length + 'seal/'.length)}`) ?? [];
        if (digits !== undefined) numbers.push(Number(digits));
      }
      next = page.NextContinuationToken;
      if (next === undefined) return numbers.sort((a, b) => a - b);
    }
  }

  async function tryOut(): Promise<'ok' | 'no-fence'> {
    // Beside the log, never in it: an entry that is no seal would confuse its readers.
    const key = `${prefix}doctor/${randomBytes(8).toString('hex')}`;
    const body = randomBytes(8).toString('hex');
    try {
      await put(key, body);
      const twice = await put(key, 'again');
      return !twice && (await read(key)) === body ? 'ok' : 'no-fence';
    } finally {
      // A user may be allowed to write and not to delete: what is left is 16 bytes.
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })).catch(() => undefined);
    }
  }

  return {
    numbers: () => told(list()),
    entry: (number) => told(read(`${prefix}seal/${String(number).padStart(10, '0')}.json`)),
    tryOut: () => told(tryOut()),
  };
}

const nameOf = (error: unknown): string => (error as { readonly name?: string }).name ?? '';
const statusOf = (error: unknown): number => (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0;

function errorFrom(cause: unknown, uri: string, bucket: string): NerveError {
  const { message = '' } = cause as { readonly message?: string };
  const name = nameOf(cause);
  if (name === 'NoSuchBucket')
    return new NerveError('not-found', `There is no bucket "${bucket}".`, { cause, hint: 'Check the URI, and the account of your credentials.' });
  if (name === 'CredentialsProviderError' || [401, 403].includes(statusOf(cause)))
    return new NerveError('refused', `${uri} cannot be read with your credentials: ${name} ${message}`, {
      cause,
      hint: 'They need s3:ListBucket, GetObject and PutObject there. See which are used: aws sts get-caller-identity',
    });
  if (/region/i.test(message) && statusOf(cause) === 0) return new NerveError('usage', `${uri}: ${message}`, { cause, hint: 'Set AWS_REGION.' });
  return new NerveError('unreachable', `${uri} does not answer: ${name} ${message}`, { cause, hint: 'Check the network and AWS_ENDPOINT_URL.' });
}
