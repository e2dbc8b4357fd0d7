// What the API server refused, in words that say what to do. It sends a `Status` object; exit codes are those of DESIGN section 7: quota
// and missing rights are refusals, a server that is away is `unreachable`.

import { NerveError } from '../../engine/errors.ts';

export interface Failure {
  readonly status: number;
  /** The body: a Status object, or anything if something else answered. */
  readonly body: string;
  readonly context: string;
  readonly namespace: string;
}

interface Status {
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly name?: string; readonly kind?: string };
}

export function errorFrom({ status, body, context, namespace }: Failure): NerveError {
  const told = parse(body);
  const message = told.message ?? (body.trim().slice(0, 300) || `HTTP ${status}`);
  const fields = { status, context, namespace };
  if (status === 401)
    return new NerveError('unreachable', `The cluster of context "${context}" does not accept your credentials.`, {
      hint: 'Log in again, then: kubectl auth whoami',
      fields,
    });
  if (status === 403) return forbidden(message, namespace, fields);
  if (status === 404)
    return new NerveError('not-found', `Not found: ${message}.`, { hint: `Looked for in namespace "${namespace}" of context "${context}".`, fields });
  if (status === 409) return new NerveError('conflict', `The cluster says: ${message}.`, { hint: 'Choose another --name, or try again.', fields });
  if (status === 400 || status === 422)
    return new NerveError('usage', `The cluster does not accept this: ${message}`, { hint: 'Correct the manifest or the flags.', fields });
  if (status === 429 || status >= 500)
    return new NerveError('unreachable', `The cluster of context "${context}" does not answer as it should (${status}): ${message}`, {
      hint: 'Try again in a moment.',
      fields,
    });
  return new NerveError('fatal', `The cluster answered ${status}: ${message}`, {
    hint: 'Please report this, with the command that you typed.',
    fields,
  });
}

/** Four things come as 403: a quota, Pod Security, a policy's webhook, and a missing right. */
function forbidden(message: string, namespace: string, fields: Record<string, unknown>): NerveError {
  const [, quota, used] = /exceeded quota: ([^,\s]+)(?:, (.*))?/.exec(message) ?? [];
  if (quota !== undefined)
    return new NerveError('refused', `The quota "${quota}" of namespace "${namespace}" is used up: ${used ?? message}.`, {
      hint: `Held jobs count too. See: kubectl -n ${namespace} describe quota ${quota}`,
      fields: { ...fields, quota },
    });
  const [, missing] = /failed quota: [^:]+: must specify (.*)$/.exec(message) ?? [];
  if (missing !== undefined)
    return new NerveError('refused', `A quota of namespace "${namespace}" asks for: ${missing}.`, {
      hint: 'Add them: --cpu 2 --memory 8Gi, or resources in the manifest.',
      fields,
    });
  if (message.includes('violates PodSecurity'))
    return new NerveError('refused', `Pod Security refuses this pod: ${message}`, { hint: 'Correct the securityContext in the manifest.', fields });
  const [, user, verb, resource] = /User "([^"]+)" cannot (\w+) resource "([^"]+)"/.exec(message) ?? [];
  if (user !== undefined)
    return new NerveError('refused', `You (${user}) may not ${verb ?? ''} ${resource ?? ''} in namespace "${namespace}".`, {
      hint: 'Ask for that right, or choose another --namespace.',
      fields: { ...fields, verb, resource },
    });
  return new NerveError('refused', `The cluster refuses: ${message}`, { hint: 'Its own rules say so, not Nerve.', fields });
}

/** A request that got no answer at all. */
export function unreachable(cause: unknown, context: string, server: URL): NerveError {
  const { code, message } = cause as { code?: string; message?: string };
  return new NerveError(
    'unreachable',
    `The cluster of context "${context}" does not answer at ${server.host}: ${message || code || 'no reason given'}`,
    {
      cause,
      hint: 'Check the network and the context: kubectl cluster-info',
      fields: { context, server: server.origin },
    },
  );
}

function parse(body: string): Status {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Status) : {};
  } catch {
    return {};
  }
}
