// Nerve's own programs beside a level-1 cluster, each with the token of a service account that has the rights of the chart's, never admin.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Admin, ApiError } from './admin.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Daemon, daemon } from './daemon.ts';

export const SYSTEM = 'nerve';
const rules = {
  worker: [
    { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch', 'patch'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'patch', 'delete'] },
    { apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] },
  ],
  agent: [
    { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'patch'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'patch'] },
  ],
  webhook: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
} as const;

export type Role = keyof typeof rules;

const existing = (error: unknown): void => {
  if (!(error instanceof ApiError && error.status === 409)) throw error;
};

/** Service accounts with the chart's rights; pods may be created in `jobNamespace` only. */
export async function createAccounts(admin: Admin, jobNamespace: string): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  for (const name of new Set([SYSTEM, jobNamespace])) await admin.call('POST', '/api/v1/namespaces', { metadata: { name } }).catch(existing);
  for (const [role, list] of Object.entries(rules)) {
    const metadata = { name: `nerve-${role}` };
    const subjects = [{ kind: 'ServiceAccount', name: metadata.name, namespace: SYSTEM }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: metadata.name };
    await admin.call('POST', `/api/v1/namespaces/${SYSTEM}/serviceaccounts`, { metadata }).catch(existing);
    await admin.call('POST', `${rbac}/clusterroles`, { metadata, rules: list }).catch(existing);
    await admin.call('POST', `${rbac}/clusterrolebindings`, { metadata, subjects, roleRef }).catch(existing);
  }
  const metadata = { name: 'nerve-create-pods' };
  const create = [{ apiGroups: [''], resources: ['pods'], verbs: ['create'] }];
  const subjects = [{ kind: 'ServiceAccount', name: 'nerve-worker', namespace: SYSTEM }];
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name };
  await admin.call('POST', `${rbac}/namespaces/${jobNamespace}/roles`, { metadata, rules: create }).catch(existing);
  await admin.call('POST', `${rbac}/namespaces/${jobNamespace}/rolebindings`, { metadata, subjects, roleRef }).catch(existing);
}

/** A folder as the kubelet mounts it: the account's token and the CA. */
async function accountFolder({ admin, folder }: ControlPlane, role: Role): Promise<string> {
  const path = `/api/v1/namespaces/${SYSTEM}/serviceaccounts/nerve-${role}/token`;
  const { status } = await admin.call<{ status: { token: string } }>('POST', path, { spec: { expirationSeconds: 7200 } });
  const at = join(folder, `account-${role}`);
  mkdirSync(at, { recursive: true, mode: 0o700 });
  writeFileSync(join(at, 'token'), status.token, { mode: 0o600 });
  writeFileSync(join(at, 'ca.crt'), admin.ca);
  return at;
}

export interface NerveOptions {
  readonly role: Role;
  readonly name: string;
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What Node is started with; default: the source, without flags. */
  readonly program?: readonly string[];
}

export async function startNerve(plane: ControlPlane, { role, name, args = [], env, program = ['src/cli.ts'] }: NerveOptions): Promise<Daemon> {
  const { hostname, port } = plane.admin.server;
  return daemon(name, process.execPath, [...program, role, ...args], join(plane.folder, `${name}.log`), {
    PATH: process.env['PATH'] ?? '',
    HOME: plane.folder,
    NERVE_TARGET: 'cluster',
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
    NERVE_ACCOUNT_FOLDER: await accountFolder(plane, role),
    ...env,
  });
}
