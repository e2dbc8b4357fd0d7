// A second mutating webhook beside Nerve's, for the fail-safe's tests: the API server may call ours again after it.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, vi } from 'vitest';
import { type FailSafe, simplePod } from './fail-safe.ts';

/** Labels of a pod that both webhooks take. */
export const FOR_BOTH = { 'nerve.io/tier': 'async', 'test/other': 'yes' };

/** Comes after ours in the alphabet, and changes the pod: the API server then calls ours again. */
export async function otherWebhook(safe: FailSafe): Promise<{ calls(): number; close(): Promise<void> }> {
  const { plane, certificate } = safe;
  let calls = 0;
  const server = createServer(certificate, (incoming, response) => {
    calls += 1;
    void change(incoming, response);
  });

  async function change(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of incoming as AsyncIterable<Buffer>) text += chunk.toString();
    const { uid } = (JSON.parse(text) as { request: { uid: string } }).request;
    const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/metadata/annotations/test~1other', value: 'was here' }])).toString('base64');
    const answer = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, allowed: true, patchType: 'JSONPatch', patch } };
    response.end(JSON.stringify(answer));
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await plane.admin.call('POST', path, {
    metadata: { name: 'zz-other' },
    webhooks: [
      {
        name: 'other.test.io',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
        objectSelector: { matchLabels: { 'test/other': 'yes' } },
        clientConfig: { url, caBundle: Buffer.from(certificate.cert).toString('base64') },
      },
    ],
  });
  // A new registration is taken up within a second or so.
  await vi.waitFor(
    async () => {
      await safe.create(simplePod(FOR_BOTH), '?dryRun=All');
      expect(calls).toBeGreaterThan(0);
    },
    { timeout: 20_000, interval: 300 },
  );
  return {
    calls: () => calls,
    close: async () => {
      await plane.admin.call('DELETE', `${path}/zz-other`);
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
