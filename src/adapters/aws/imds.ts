// Instance metadata, IMDSv2 (FACTS A1): a token first, never a silent fall back to v1. Link-local and quick: two seconds are an age.

import { NerveError } from '../../engine/errors.ts';
import type { InstanceMetadata } from '../../ports.ts';

const TOKEN_TTL_SECONDS = 3600;
const RENEW_BEFORE_MS = 15_000;
const TIMEOUT_MS = 2000;

const ACTIONS = ['terminate', 'stop', 'hibernate'] as const;

/** `endpoint`: `http://169.254.169.254` on EC2; AWS_EC2_METADATA_SERVICE_ENDPOINT elsewhere. */
export function instanceMetadata(endpoint: string): InstanceMetadata {
  let token: { readonly value: string; readonly expiresAtMs: number } | null = null;

  const freshToken = async (): Promise<string> => {
    if (token !== null && performance.now() < token.expiresAtMs - RENEW_BEFORE_MS) return token.value;
    const response = await fetch(`${endpoint}/latest/api/token`, {
      method: 'PUT',
      headers: { 'X-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_TTL_SECONDS) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new NerveError('retryable', `Instance metadata refused a token (HTTP ${response.status}).`);
    token = { value: await response.text(), expiresAtMs: performance.now() + TOKEN_TTL_SECONDS * 1000 };
    return token.value;
  };

  /** The body, or null for 404. A token that is no longer known is dropped and asked for once more. */
  const get = async (path: string): Promise<string | null> => {
    for (let round = 0; round < 2; round++) {
      const response = await fetch(`${endpoint}/latest/meta-data/${path}`, {
        headers: { 'X-aws-ec2-metadata-token': await freshToken() },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const body = await response.text();
      if (response.status === 404) return null;
      if (response.ok) return body;
      if (response.status !== 401) throw new NerveError('retryable', `Instance metadata answered ${path} with HTTP ${response.status}.`);
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
      const { action, time } = JSON.parse(body) as { action?: string; time?: string };
      const endsAtRealMs = Date.parse(time ?? '');
      const known = ACTIONS.find((name) => name === action);
      if (known === undefined || Number.isNaN(endsAtRealMs))
        throw new NerveError('retryable', `Instance metadata sent an unknown notice: ${body.slice(0, 200)}`);
      return { action: known, endsAtRealMs };
    },
    rebalance: async () => {
      const body = await get('events/recommendations/rebalance');
      if (body === null) return null;
      const { noticeTime } = JSON.parse(body) as { noticeTime?: string };
      return { noticeRealMs: Date.parse(noticeTime ?? '') };
    },
  };
}
