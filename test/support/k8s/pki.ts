// Certificates of one control plane, with openssl: Node can read certificates but not issue them.

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Pki {
  readonly folder: string;
  file(name: string): string;
  /** Issues NAME.crt and NAME.key. */
  issue(name: string, subject: string, alternativeNames?: string): Promise<void>;
  /** Writes a kubeconfig that uses certificate NAME, and answers its path. */
  kubeconfig(name: string, server: string): Promise<string>;
}

export async function createPki(folder: string): Promise<Pki> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(folder, name);
  const key = (name: string): Promise<unknown> =>
    run('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file(`${name}.key`)]);
  await key('ca');
  await run('openssl', ['req', '-x509', '-new', '-key', file('ca.key'), '-subj', '/CN=nerve-test-ca', '-days', '2', '-out', file('ca.crt')]);
  await key('sa');
  await run('openssl', ['ec', '-in', file('sa.key'), '-pubout', '-out', file('sa.pub')]);
  let serial = 1;
  return {
    folder,
    file,
    issue: async (name, subject, alternativeNames) => {
      await key(name);
      const extensions = [
        'extendedKeyUsage=clientAuth,serverAuth',
        ...(alternativeNames === undefined ? [] : [`subjectAltName=${alternativeNames}`]),
      ];
      await writeFile(file(`${name}.ext`), `${extensions.join('\n')}\n`);
      await run('openssl', ['req', '-new', '-key', file(`${name}.key`), '-subj', subject, '-out', file(`${name}.csr`)]);
      const ca = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-set_serial', String(++serial), '-days', '2'];
      await run('openssl', ['x509', '-req', '-in', file(`${name}.csr`), ...ca, '-extfile', file(`${name}.ext`), '-out', file(`${name}.crt`)]);
    },
    kubeconfig: async (name, server) => {
      const path = file(`${name}.kubeconfig`);
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'test', cluster: { server, 'certificate-authority': file('ca.crt') } }],
        users: [{ name: 'me', user: { 'client-certificate': file(`${name}.crt`), 'client-key': file(`${name}.key`) } }],
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'me' } }],
        'current-context': 'test',
      };
      await writeFile(path, JSON.stringify(config), { mode: 0o600 });
      return path;
    },
  };
}
