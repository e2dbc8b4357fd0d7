// Pods and nodes for the tables of this folder.

import type { Node, Pod } from '../../../src/engine/pod/types.ts';

export const AT = '2026-11-25T10:00:00Z';
export const AT_MS = Date.parse(AT);

type Overrides = { readonly [K in keyof Pod]?: Partial<Pod[K]> };

export function pod({ metadata = {}, spec = {}, status = {} }: Overrides = {}): Pod {
  return {
    metadata: {
      name: 'train',
      namespace: 'team',
      uid: 'u1',
      creationTimestamp: AT,
      ...metadata,
      labels: { 'nerve.io/tier': 'async', 'nerve.io/job-id': 'j-abc', ...metadata.labels },
    },
    spec: { containers: [{ name: 'main', env: [{ name: 'NERVE_JOB_ID', value: 'j-abc' }] }], restartPolicy: 'Never', ...spec },
    status: { phase: 'Pending', ...status },
  };
}

export function node(labels: Readonly<Record<string, string>> = {}, annotations: Readonly<Record<string, string>> = {}, ready = 'True'): Node {
  return {
    metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'eu-west-3a', ...labels }, annotations },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  };
}
