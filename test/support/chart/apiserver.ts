// A real kube-apiserver over a real etcd and nothing else: no scheduler, no controller, no node. Enough to ask whether it would take
// what the chart renders, and whether an upgrade keeps what an installation made. The programs are those of the level-1 test bed.

import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Found } from './helm.ts';

export interface ApiServer {
  /** For helm. */
  readonly kubeconfig: string;
  readonly ask: (method: 'GET' | 'POST' | 'PATCH', path: string, body?: unknown) => Promise<Answer>;
  stop(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const READY_MS = 60_000;

function program(name: 'etcd' | 'kube-apiserver'): string {
  const pins = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'programs.json'), 'utf8')) as Readonly<Record<string, string>>;
  return join(homedir(), '.cache', 'nerve', 'bin', `${name}-${pins[name === 'etcd' ? 'etcd' : 'kubernetes']}`);
}

export function findApiServer(): Found {
  const missing = [program('etcd'), program('kube-apiserver')].filter((path) => !existsSync(path));
  return missing.length === 0 ? { ok: true, path: program('kube-apiserver') } : { ok: false, why: `${missing.join(' and ')} is not built` };
}

export async function startApiServer(): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'nerve-api-'));
  const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  writeFileSync(join(folder, 'sa.pub'), publicKey);
  writeFileSync(join(folder, 'sa.key'), privateKey, { mode: 0o600 });
  writeFileSync(join(folder, 'tokens.csv'), 'admin,admin,1,system:masters\n', { mode: 0o600 });
  const children: ChildProcess[] = [];
  const start = (name: 'etcd' | 'kube-apiserver', flags: Readonly<Record<string, string>>): void => {
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    children.push(spawn(program(name), args, { stdio: 'ignore' }));
  };
  const etcd = `http://127.0.0.1:${client}`;
  start('etcd', {
    'data-dir': join(folder, 'etcd'),
    'listen-client-urls': etcd,
    'advertise-client-urls': etcd,
    'listen-peer-urls': `http://127.0.0.1:${peer}`,
    'log-level': 'error',
  });
  start('kube-apiserver', {
    'etcd-servers': etcd,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'secure-port': String(port),
    'cert-dir': join(folder, 'certs'),
    'service-account-issuer': 'https://nerve.test',
    'service-account-signing-key-file': join(folder, 'sa.key'),
    'service-account-key-file': join(folder, 'sa.pub'),
    'token-auth-file': join(folder, 'tokens.csv'),
    'authorization-mode': 'RBAC',
    'service-cluster-ip-range': '10.96.0.0/16',
    'endpoint-reconciler-type': 'none',
  });
  const ask: ApiServer['ask'] = (method, path, body) => askApi(port, method, path, body);
  const stop = async (): Promise<void> => {
    for (const child of children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  const untilMs = Date.now() + READY_MS;
  while ((await ask('GET', '/readyz').catch(() => null))?.status !== 200) {
    if (Date.now() > untilMs || children.some((child) => child.exitCode !== null)) {
      await stop();
      throw new Error('kube-apiserver did not become ready');
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const kubeconfig = join(folder, 'kubeconfig');
  const cluster = { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
  const named = [{ name: 'test', cluster, user: { token: 'admin' }, context: { cluster: 'test', user: 'test' } }];
  writeFileSync(
    kubeconfig,
    JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters: named, users: named, contexts: named, 'current-context': 'test' }),
    { mode: 0o600 },
  );
  return { kubeconfig, ask, stop };
}

function askApi(port: number, method: string, path: string, body: unknown): Promise<Answer> {
  const headers = {
    authorization: 'Bearer admin',
    'content-type': method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json',
  };
  return new Promise((resolve, reject) => {
    // Its certificate is one that it made for itself a moment ago.
    const sent = request({ host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text.startsWith('{') ? (JSON.parse(text) as Answer['body']) : {} }));
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
