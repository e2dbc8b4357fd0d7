// The chart against a real API server: it takes every object as it is (server-side apply, strict, dry run), what an installation made
// for itself is kept by an upgrade, and the two rules of the webhook are compiled there.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiServer, findApiServer, startApiServer } from '../support/chart/apiserver.ts';
import { CHART, findHelm, type Helm, helmAt, type Manifest } from '../support/chart/helm.ts';

const found = [await findHelm(), findApiServer()];
const why = found.flatMap((one) => (one.ok ? [] : [one.why])).join('; ');

describe.skipIf(why !== '')(`the chart on a real API server${why === '' ? '' : ` (skipped: ${why})`}`, () => {
  let api: ApiServer;
  let helm: Helm;
  beforeAll(async () => {
    api = await startApiServer();
    const [program] = found;
    helm = helmAt(program?.ok === true ? program.path : 'helm');
    await api.ask('POST', '/api/v1/namespaces', { metadata: { name: 'nerve' } });
    // No controller makes it here.
    await api.ask('POST', '/api/v1/namespaces/nerve/serviceaccounts', { metadata: { name: 'default' } });
  });
  afterAll(() => api.stop());

  /** Where objects of a kind live, as the server itself says. */
  async function pathOf({ apiVersion, kind, metadata }: Manifest): Promise<string> {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const { body } = await api.ask('GET', root);
    const resources = (body['resources'] ?? []) as readonly { readonly kind: string; readonly name: string; readonly namespaced: boolean }[];
    const resource = resources.find((one) => one.kind === kind && !one.name.includes('/'));
    if (resource === undefined) throw new Error(`the server knows no ${apiVersion} ${kind}`);
    return `${root}/${resource.namespaced ? `namespaces/${metadata.namespace}/` : ''}${resource.name}/${metadata.name}`;
  }

  async function refusals(manifests: readonly Manifest[]): Promise<readonly string[]> {
    const all: string[] = [];
    for (const manifest of manifests) {
      const path = await pathOf(manifest);
      const { status, body } = await api.ask('PATCH', `${path}?fieldManager=test&dryRun=All&fieldValidation=Strict`, manifest);
      if (status >= 300) all.push(`${manifest.kind} ${manifest.metadata.name}: ${String(body['message'])}`);
    }
    return all;
  }

  it('is taken whole, field by field', async () => {
    expect(await refusals(await helm.render())).toEqual([]);
  });

  it('is taken with what is optional, where the server knows the kinds', async () => {
    const sets = ['avoidSpot=preferred', 'webhook.hostNetwork=true', 'redis.persistence.enabled=false', 'priorityClassName=', 'jobNamespaces={a,b}'];
    const scraped = ['serviceMonitor.enabled=true', 'networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus'];
    const manifests = (await helm.render(...sets, ...scraped)).filter(({ kind }) => kind !== 'ServiceMonitor');
    // The namespaces of jobNamespaces must be there, as for every chart that puts something into them.
    for (const name of ['a', 'b']) await api.ask('POST', '/api/v1/namespaces', { metadata: { name } });
    expect(await refusals(manifests)).toEqual([]);
  });

  it('notices a field that is none: this test can fail', async () => {
    const [deployment] = (await helm.render()).filter(({ kind }) => kind === 'Deployment');
    const wrong = { ...deployment, spec: { ...(deployment?.['spec'] as object), replicaz: 2 } } as unknown as Manifest;
    expect(await refusals([wrong])).toEqual([expect.stringContaining('replicaz')]);
  });

  it('keeps keys, passwords and certificates over an upgrade, and restarts nothing by it', async () => {
    const made = async (): Promise<unknown> => {
      const secrets = await Promise.all(
        ['attempt-key', 'redis', 'webhook-tls'].map(
          async (name) => (await api.ask('GET', `/api/v1/namespaces/nerve/secrets/nerve-agent-${name}`)).body['data'],
        ),
      );
      const { body } = await api.ask('GET', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/nerve-agent');
      const hooks = body['webhooks'] as readonly { readonly clientConfig: { readonly caBundle: string } }[];
      const { body: list } = await api.ask('GET', '/apis/apps/v1/namespaces/nerve/deployments');
      const deployments = list['items'] as readonly { readonly metadata: { readonly name: string; readonly generation: number } }[];
      return {
        secrets,
        trusted: hooks.map(({ clientConfig }) => clientConfig.caBundle),
        generations: deployments.map(({ metadata }) => metadata.generation),
      };
    };
    const at = ['nerve-agent', CHART, '--namespace', 'nerve', '--kubeconfig', api.kubeconfig];
    await helm.run('install', ...at);
    const first = await made();
    await helm.run('upgrade', ...at);
    expect(await made()).toEqual(first);
    expect(first).toMatchObject({ generations: [1, 1] });
    // And a change that is one does arrive.
    await helm.run('upgrade', ...at, '--set', 'settings.policy.marginSeconds=600');
    expect(await made()).toMatchObject({ generations: [2, 2] });
  });
});
