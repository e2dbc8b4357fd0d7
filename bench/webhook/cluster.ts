// What the webhook sees of a cluster: running pods of jobs in its watch, and a worker whose beat moves. It is the test suite's stand-in of
// an API server, behind TLS.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificate } from '../../src/webhook/certificate.ts';
import { fakeApiServer } from '../../test/support/webhook/api-server.ts';

const TOKEN = 'bench';

export interface BenchCluster {
  /** For the program, as the chart and the kubelet set it. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export async function clusterOf(folder: string, certificate: Certificate, jobs: number): Promise<BenchCluster> {
  const api = await fakeApiServer(TOKEN, certificate);
  writeFileSync(join(folder, 'token'), TOKEN);
  writeFileSync(join(folder, 'ca.crt'), certificate.cert);
  for (let i = 0; i < jobs; i++) {
    const labels = { 'nerve.io/tier': 'async', 'nerve.io/job-id': `j-${String(i).padStart(8, '0')}` };
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name: `job-${i}`, uid: `job-${i}` }];
    const metadata = {
      name: `p-${i}`,
      namespace: 'default',
      uid: `p-${i}`,
      labels,
      ownerReferences,
      annotations: { 'nerve.io/attempt': '1795600000' },
    };
    api.pods.set(`default/p-${i}`, { metadata, spec: { nodeName: 'n', terminationGracePeriodSeconds: 110 }, status: { phase: 'Running' } });
  }
  const worker = { metadata: { name: 'worker', namespace: 'nerve', uid: 'w', labels: { app: 'worker' }, annotations: {} }, spec: {} };
  api.pods.set('nerve/worker', worker);
  let beat = 0;
  const beating = setInterval(() => {
    worker.metadata.annotations = { 'nerve.io/beat': String(++beat) };
  }, 1000);
  return {
    env: {
      KUBERNETES_SERVICE_HOST: api.url.hostname,
      KUBERNETES_SERVICE_PORT: api.url.port,
      NERVE_ACCOUNT_FOLDER: folder,
      NERVE_POD_NAMESPACE: 'nerve',
      NERVE_WORKER_SELECTOR: 'app=worker',
      NERVE_WORKER_ACCOUNT: 'nerve-agent-worker',
      NERVE_JOB_NAMESPACES: 'default',
    },
    close: async () => {
      clearInterval(beating);
      await api.close();
    },
  };
}
