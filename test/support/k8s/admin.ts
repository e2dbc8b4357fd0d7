// The test's own hands in a cluster: an admin from a kubeconfig, over node:https. Never what is under test.

import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { parse } from 'yaml';

interface Kubeconfig {
  readonly 'current-context': string;
  readonly contexts: readonly { readonly name: string; readonly context: { readonly cluster: string; readonly user: string } }[];
  readonly clusters: readonly { readonly name: string; readonly cluster: Readonly<Record<string, string>> }[];
  readonly users: readonly { readonly name: string; readonly user: Readonly<Record<string, string>> }[];
}

export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(`${status}: ${message}`);
    this.status = status;
  }
}

export interface Admin {
  readonly server: URL;
  readonly ca: string;
  call<T>(method: string, path: string, body?: unknown, type?: string): Promise<T>;
  close(): void;
}

export function adminOf(kubeconfig: string): Admin {
  const config = parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
  const context = config.contexts.find((c) => c.name === config['current-context'])?.context;
  const cluster = config.clusters.find((c) => c.name === context?.cluster)?.cluster ?? {};
  const user = config.users.find((u) => u.name === context?.user)?.user ?? {};
  const pem = (from: Readonly<Record<string, string>>, name: string): string | undefined => {
    const data = from[`${name}-data`];
    if (data !== undefined) return Buffer.from(data, 'base64').toString();
    return from[name] === undefined ? undefined : readFileSync(from[name], 'utf8');
  };
  const ca = pem(cluster, 'certificate-authority') ?? '';
  const agent = new Agent({ keepAlive: true, maxSockets: 20, ca, cert: pem(user, 'client-certificate'), key: pem(user, 'client-key') });
  const server = new URL(cluster['server'] ?? '');
  const bearer = user['token'] === undefined ? {} : { authorization: `Bearer ${user['token']}` };
  return {
    server,
    ca,
    close: () => agent.destroy(),
    call: <T>(method: string, path: string, body?: unknown, type = 'application/json') =>
      new Promise<T>((resolve, reject) => {
        const headers = { ...bearer, accept: 'application/json', ...(body === undefined ? {} : { 'content-type': type }) };
        const call = request(new URL(path, server), { method, agent, headers, timeout: 30_000 }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            if ((response.statusCode ?? 500) >= 300) return reject(new ApiError(response.statusCode ?? 0, text.slice(0, 500)));
            resolve((text.startsWith('{') ? JSON.parse(text) : text) as T);
          });
        });
        call.on('timeout', () => call.destroy(new Error(`no answer to ${method} ${path}`)));
        call.on('error', reject);
        call.end(body === undefined ? undefined : JSON.stringify(body));
      }),
  };
}
