// The other end of the simulated cloud's socket: CloudApi, and on top of it the worker's Cluster port and the agent's NodeHost port.

import { request } from 'node:http';
import { type ErrorKind, NerveError } from '../../engine/errors.ts';
import type { Cluster, NodeHost } from '../../ports.ts';
import type { CloudApi } from './cloud-api.ts';

/** Longer than the longest answer (`changes` waits ten seconds). */
const TIMEOUT_MS = 15_000;

export function cloudClient(socketPath: string, timeoutMs = TIMEOUT_MS): CloudApi {
  const call = <M extends keyof CloudApi>(method: M): CloudApi[M] =>
    ((ask: unknown) => post(socketPath, `/v1/${method}`, ask, timeoutMs)) as CloudApi[M];
  return {
    attempts: call('attempts'),
    launch: call('launch'),
    requestStop: call('requestStop'),
    remove: call('remove'),
    forget: call('forget'),
    changes: call('changes'),
    node: call('node'),
    markNode: call('markNode'),
    annotateAttempt: call('annotateAttempt'),
    started: call('started'),
    ended: call('ended'),
    weather: call('weather'),
    disturb: call('disturb'),
    shutDown: call('shutDown'),
  };
}

function post(socketPath: string, path: string, ask: unknown, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const away = (cause: Error): void =>
      reject(new NerveError('unreachable', `Cannot reach the local cluster (${cause.message}).`, { cause, hint: 'Start it with "nerve up".' }));
    const call = request({ socketPath, path, method: 'POST', headers: { 'content-type': 'application/json' }, timeout: timeoutMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', away);
      response.on('end', () => {
        const answer = parsed(Buffer.concat(chunks).toString());
        if (answer === undefined) return away(new Error(`what it answered (HTTP ${response.statusCode}) is no JSON`));
        if (response.statusCode === 200) return resolve(answer);
        const { kind, message, hint } = answer as { kind: ErrorKind; message: string; hint?: string };
        reject(new NerveError(kind, message, hint === undefined ? {} : { hint }));
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', away);
    call.end(JSON.stringify(ask));
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text || 'null');
  } catch {
    return undefined;
  }
}

const ignoreNotFound = (error: unknown): null => {
  if (error instanceof NerveError && error.kind === 'not-found') return null;
  throw error;
};

export function localCluster(cloud: CloudApi): Cluster {
  return {
    attempts: () => cloud.attempts({}),
    attemptsOf: (jobId) => cloud.attempts({ jobId }),
    launch: (ask) => cloud.launch(ask),
    requestStop: async (name, stopRequest) => void (await cloud.requestStop({ name, request: stopRequest }).catch(ignoreNotFound)),
    remove: async (name) => void (await cloud.remove({ name })),
    forget: async (jobId) => void (await cloud.forget({ jobId })),
    watch: async (changed, signal) => {
      let since = 0;
      // The call waits for up to ten seconds: whoever is told to stop does not wait with it.
      const stopped = new Promise<null>((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }));
      while (!signal.aborted) {
        const changes = cloud.changes({ since });
        changes.catch(() => undefined);
        const news = await Promise.race([changes, stopped]);
        if (news === null) return;
        const { version, jobIds } = news;
        since = version;
        if (jobIds.length > 0 && !signal.aborted) changed(jobIds);
      }
    },
  };
}

export function localNodeHost(cloud: CloudApi, node: string): NodeHost {
  return {
    hosted: async () => {
      const { attempts } = await cloud.node({ node });
      return attempts.map(({ seen, hook, process }) => ({
        name: seen.name,
        jobId: seen.jobId,
        attempt: seen.attempt,
        hook: process === null ? null : hook,
        stopRequest: seen.stopRequest,
        ended: seen.endedAtMs !== null,
      }));
    },
    marks: async () => (await cloud.node({ node })).marks,
    annotateNode: async (marks) => void (await cloud.markNode({ node, marks })),
    cordon: async () => void (await cloud.markNode({ node, marks: { cordonedBy: 'nerve' } })),
    uncordon: async () => void (await cloud.markNode({ node, marks: { cordonedBy: null } })),
    annotateAttempt: async (name, annotations) => void (await cloud.annotateAttempt({ name, annotations }).catch(ignoreNotFound)),
  };
}
