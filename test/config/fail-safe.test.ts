import { describe, expect, it } from 'vitest';
import { webhookPlace, workerPlace } from '../../src/config/fail-safe.ts';
import { configSchema } from '../../src/config/schema.ts';
import { tolerationOf } from '../../src/webhook/context.ts';

const chart = {
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
  NERVE_POD_NAMESPACE: 'nerve',
  NERVE_WORKER_SELECTOR: 'app=worker',
  NERVE_WORKER_ACCOUNT: 'nerve-agent-worker',
  NERVE_TLS_DIR: '/etc/nerve-tls',
  NERVE_JOB_NAMESPACES: 'default, team-a,',
};

describe('what the chart tells the fail-safe', () => {
  it('names the worker as admission requests do', () => {
    expect(webhookPlace(chart)).toEqual({
      host: null,
      port: 8443,
      tlsDir: '/etc/nerve-tls',
      workerAccount: 'system:serviceaccount:nerve:nerve-agent-worker',
      jobNamespaces: ['default', 'team-a'],
    });
    expect(workerPlace(chart)).toEqual({ namespace: 'nerve', labelSelector: 'app=worker' });
  });

  it.each(['NERVE_WORKER_ACCOUNT', 'NERVE_TLS_DIR', 'NERVE_POD_NAMESPACE'])('cannot do without %s, and says so', (name) => {
    expect(() => webhookPlace({ ...chart, [name]: '' })).toThrow(name);
  });

  it('refuses a port that is none', () => {
    expect(() => webhookPlace({ ...chart, NERVE_WEBHOOK_PORT: 'https' })).toThrow('NERVE_WEBHOOK_PORT');
  });
});

describe('spot taints', () => {
  it('are tolerated as they are written', () => {
    expect(tolerationOf('eks.amazonaws.com/capacityType=SPOT:NoSchedule')).toEqual({
      key: 'eks.amazonaws.com/capacityType',
      operator: 'Equal',
      value: 'SPOT',
      effect: 'NoSchedule',
    });
    expect(tolerationOf('spot:NoExecute')).toEqual({ key: 'spot', operator: 'Exists', effect: 'NoExecute' });
  });

  it('are refused where Kubernetes would not take them, and every default is one', () => {
    expect(configSchema.safeParse({ webhook: { spotTaints: ['spot'] } }).success).toBe(false);
    for (const taint of configSchema.parse({}).webhook.spotTaints)
      expect(tolerationOf(taint)).toMatchObject({ operator: 'Equal', effect: 'NoSchedule' });
  });
});
