// Instance metadata, IMDSv2 (FACTS A1): a token first, never a silent fall back to v1. Link-local and quick: two seconds are an age. node:http
// and not fetch, which follows redirects and costs the agent 12 MB (bench/results/soak.md).

import { NerveError } from '../../engine/errors.ts';
import type { InstanceMetadata } from '../../ports.ts';
import { type Answer, httpText } from '../system/http-text.ts';

const TOKEN_TTL_SECONDS = 3600;
const RENEW_BEFORE_MS = 15_000;
const TIMEOUT_MS = 2000;

const ACTIONS = ['terminate', 'stop', 'hibernate'] as const;

/** `endpoint`: `http://169.254.169.254` on EC2; AWS_EC2_METADATA_SERVICE_ENDPOINT elsewhere. */
export function instanceMetadata(endpoint: string): InstanceMetadata {
  let token: { readonly value: string; readonly expiresAtMs: number } | null = null;

  const freshToken = async (): Promise<string> => {
    if (token !== null && performance.now() < token.expiresAtMs - RENEW_BEFORE_MS) return token.value;
    const { status, body } = await ask(`${endpoint}/latest/api/token`, 'PUT', { 'X-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_TTL_SECONDS) });
    if (status !== 200) throw new NerveError('retryable', `Instance metadata refused a token (HTTP ${status}).`);
    token = { value: body, expiresAtMs: performance.now() + TOKEN_TTL_SECONDS * 1000 };
    return token.value;
  };

  /** The body, or null for 404. A token that is no longer known is dropped and asked for once more. */
  const get = async (path: string): Promise<string | null> => {
    for (let round = 0; round < 2; round++) {
      const { status, body } = await ask(`${endpoint}/latest/meta-data/${path}`, 'GET', { 'X-aws-ec2-metadata-token': await freshToken() });
      if (status === 404) return null;
      if (status === 200) return body;
      if (status !== 401) throw new NerveError('retryable', `Instance metadata answered ${path} with HTTP ${status}.`);
      token = null;
    }
    throw new NerveError('retryable', 'Instance metadata refuses its own tokens.', {
      hint: 'Check the hop limit (2 for pods) of the instance metadata options.',
    });
  };

  return {
    interruption: async () => {
      const body = await get('spot/instance-action');
      if (body === null) return null;
      const { action, time } = read(body);
      const known = ACTIONS.find((name) => name === action);
      if (known === undefined) throw unknown(body);
      return { action: known, endsAtRealMs: instant(time, body) };
    },
    rebalance: async () => {
      const body = await get('events/recommendations/rebalance');
      return body === null ? null : { noticeRealMs: instant(read(body)['noticeTime'], body) };
    },
  };
}

function ask(url: string, method: string, headers: Record<string, string>): Promise<Answer> {
  const { hostname, port, pathname, search } = new URL(url);
  // An IPv6 endpoint has its brackets in a URL only.
  const to = { hostname: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port), path: pathname + search, method, headers };
  return httpText(to, TIMEOUT_MS).catch((cause: unknown) => {
    throw new NerveError('unreachable', 'Instance metadata does not answer.', { cause });
  });
}

function read(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through to the one error below.
  }
  throw unknown(body);
}

function instant(value: unknown, body: string): number {
  const realMs = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(realMs)) throw unknown(body);
  return realMs;
}

/** Never taken for "nothing": a notice that cannot be read is still a notice. */
const unknown = (body: string): NerveError => new NerveError('retryable', `Instance metadata sent what cannot be read: ${body.slice(0, 200)}`);
