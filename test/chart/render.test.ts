// The chart as helm renders it: who may do what, what every pod is given, what every switch turns on and off.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { LABELS } from '../../src/engine/pod/names.ts';
import { CHART, findHelm, helmAt, type Manifest } from '../support/chart/helm.ts';
import { containers, pods, type PodSpec } from '../support/chart/pods.ts';
import { rights } from '../support/chart/rights.ts';
import { SMALL_ENV, smallFlags } from '../support/chart/small.ts';

const found = await findHelm();
const helm = helmAt(found.ok ? found.path : 'helm');
const rendered = found.ok ? await helm.render() : [];

const named = (manifests: readonly Manifest[], kind: string, name: string): Manifest => {
  const one = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (one === undefined) throw new Error(`no ${kind} ${name} in the chart`);
  return one;
};
const kinds = (manifests: readonly Manifest[]): readonly string[] => manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
const dataOf = (manifest: Manifest): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(
    Object.entries((manifest['data'] ?? {}) as Record<string, string>).map(([k, v]) => [k, Buffer.from(v, 'base64').toString('latin1')]),
  ),
  ...(manifest['stringData'] as Record<string, string> | undefined),
});

/** All that Nerve may do in a cluster, DESIGN section 6. A line more or less here is a decision. */
const RIGHTS = [
  'ServiceAccount nerve/nerve-agent-agent in every namespace: nodes get,patch',
  'ServiceAccount nerve/nerve-agent-agent in every namespace: pods get,list,watch,patch',
  'ServiceAccount nerve/nerve-agent-uninstall in every namespace: pods list,patch',
  'ServiceAccount nerve/nerve-agent-watchdog in every namespace: pods list,patch',
  'ServiceAccount nerve/nerve-agent-webhook in every namespace: pods get,list,watch',
  'ServiceAccount nerve/nerve-agent-worker in default: pods create',
  'ServiceAccount nerve/nerve-agent-worker in every namespace: nodes get,list,watch',
  'ServiceAccount nerve/nerve-agent-worker in every namespace: pods get,list,watch,patch,delete',
  'ServiceAccount nerve/nerve-agent-worker in every namespace: pods/eviction create',
];

describe.skipIf(!found.ok)(`the chart${found.ok ? '' : ` (skipped: ${found.why})`}`, () => {
  it('passes helm lint without a warning', async () => {
    expect(await helm.run('lint', '--strict', CHART)).toContain('0 chart(s) failed');
  });

  it('has the version of the programs that it starts, and so has the example', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
    expect(readFileSync('examples/cluster/job.yaml', 'utf8')).toContain(`image: localhost/nerve:${version}\n`);
    expect(pods(rendered).get('Deployment nerve-agent-worker')?.containers[0]?.image).toBe(`localhost/nerve:${version}`);
    expect(await helm.run('show', 'chart', CHART)).toMatch(new RegExp(`appVersion: ${version}\\n[^]*^version: ${version}$`, 'm'));
  });

  describe('rights', () => {
    it('are exactly the golden list', () => expect(rights(rendered)).toEqual(RIGHTS));

    it('to create pods exist in the namespaces of jobNamespaces and nowhere else', async () => {
      const create = (list: readonly string[]): readonly string[] => list.filter((line) => line.endsWith('pods create'));
      expect(create(rights(await helm.render('jobNamespaces={research,render}')))).toEqual([
        'ServiceAccount nerve/nerve-agent-worker in render: pods create',
        'ServiceAccount nerve/nerve-agent-worker in research: pods create',
      ]);
      expect(create(rights(await helm.render('--set-json=jobNamespaces=[]')))).toEqual([]);
    });

    it('are held by accounts that the chart makes, one for each program, and a token is mounted where it is needed', () => {
      const accounts = rendered.filter(({ kind }) => kind === 'ServiceAccount').map(({ metadata }) => metadata.name);
      expect(accounts.toSorted()).toEqual(['agent', 'uninstall', 'watchdog', 'webhook', 'worker'].map((name) => `nerve-agent-${name}`));
      const mounted = [...pods(rendered)].map(([name, spec]) => [name, spec.automountServiceAccountToken === true ? spec.serviceAccountName : null]);
      expect(Object.fromEntries(mounted)).toEqual({
        'DaemonSet nerve-agent-agent': 'nerve-agent-agent',
        'Deployment nerve-agent-webhook': 'nerve-agent-webhook',
        'Deployment nerve-agent-worker': 'nerve-agent-worker',
        'StatefulSet nerve-agent-redis': null,
        'CronJob nerve-agent-watchdog': 'nerve-agent-watchdog',
        'Job nerve-agent-pre-delete': 'nerve-agent-watchdog',
        'Job nerve-agent-post-delete': 'nerve-agent-uninstall',
        'Pod nerve-agent-test': null,
      });
    });
  });

  describe('every container', () => {
    const all = [...pods(rendered)].flatMap(([name, spec]) => containers(spec).map((container) => ({ name, spec, container })));

    it.each(all)('$name is nobody, writes nowhere but its volumes, and has no capability', ({ spec, container }) => {
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      });
    });

    it.each(all.filter(({ name }) => !name.endsWith('-redis')))('$name asks for 50Mi, may have 128Mi', ({ container }) => {
      expect(container.resources.requests['memory']).toBe('50Mi');
      expect(container.resources.limits['memory']).toBe('128Mi');
    });

    it.each(all.filter(({ name }) => !/-(redis|test)$/.test(name)))('$name runs Node with the flags that keep it small', ({ name, container }) => {
      expect(container.command).toEqual([
        '/usr/local/bin/node',
        ...smallFlags(name.endsWith('-worker') ? 64 : 32),
        ...(name.endsWith('-agent') ? ['--lite-mode'] : []),
        '/opt/nerve/dist/cli.js',
      ]);
      expect(container.env).toEqual(expect.arrayContaining(Object.entries(SMALL_ENV).map(([name, value]) => ({ name, value }))));
    });
  });

  it('gives each program its command and these settings', () => {
    const told = [...pods(rendered)].flatMap(([name, spec]) =>
      containers(spec).map(({ args, env = [] }) => {
        const names = env.map((one) => one.name).filter((one) => one.startsWith('NERVE_'));
        return [name, { args: name.endsWith('-test') ? undefined : args, env: names.toSorted() }];
      }),
    );
    const everywhere = ['NERVE_LOG_LEVEL', 'NERVE_NODE_NAME', 'NERVE_POD_NAME', 'NERVE_POD_NAMESPACE', 'NERVE_TARGET', 'NERVE_WORKER_SELECTOR'];
    const and = (...more: readonly string[]): readonly string[] => [...everywhere, 'NERVE_CONFIG', ...more].toSorted();
    expect(Object.fromEntries(told)).toEqual({
      'DaemonSet nerve-agent-agent': { args: ['agent'], env: and() },
      'Deployment nerve-agent-worker': {
        args: ['worker'],
        env: and(
          'NERVE_ATTEMPT_KEY_FILE',
          'NERVE_JOB_NAMESPACES',
          'NERVE_NODE_DIALECT',
          'NERVE_PRICE_FILE',
          'NERVE_REDIS_GRACE_SECONDS',
          'NERVE_REDIS_URL',
        ),
      },
      'Deployment nerve-agent-webhook': {
        args: ['webhook'],
        env: and('NERVE_JOB_NAMESPACES', 'NERVE_TLS_DIR', 'NERVE_WEBHOOK_PORT', 'NERVE_WORKER_ACCOUNT'),
      },
      'StatefulSet nerve-agent-redis': { args: undefined, env: [] },
      'CronJob nerve-agent-watchdog': { args: ['watchdog'], env: and() },
      'Job nerve-agent-pre-delete': { args: ['watchdog', '--uninstall', 'before'], env: everywhere },
      'Job nerve-agent-post-delete': { args: ['watchdog', '--uninstall', 'after'], env: everywhere },
      'Pod nerve-agent-test': { args: undefined, env: [] },
    });
  });

  it('puts the agent on every node, on the host network, listening on nothing', () => {
    const agent = pods(rendered).get('DaemonSet nerve-agent-agent');
    expect(agent).toMatchObject({
      hostNetwork: true,
      dnsPolicy: 'ClusterFirstWithHostNet',
      tolerations: [{ operator: 'Exists' }],
      priorityClassName: 'system-node-critical',
    });
    expect(agent?.containers[0]?.ports).toBeUndefined();
  });

  it('keeps its own pods off spot nodes; the watchdog and the hooks only prefer it', () => {
    const how = (spec: PodSpec): string => Object.keys((spec.affinity?.['nodeAffinity'] ?? {}) as object).join();
    const required = 'requiredDuringSchedulingIgnoredDuringExecution';
    const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
    expect(Object.fromEntries([...pods(rendered)].map(([name, spec]) => [name.replace(/^\S+ nerve-agent-/, ''), how(spec)]))).toMatchObject({
      worker: required,
      webhook: required,
      redis: required,
      watchdog: preferred,
      'pre-delete': preferred,
      'post-delete': preferred,
    });
    // Whatever dialect of labels the programs read.
    const dialects = Object.entries(LABELS).flatMap(([name, label]) => (/capacityType/i.test(name) ? [label] : []));
    const affinity = JSON.stringify(pods(rendered).get('Deployment nerve-agent-worker')?.affinity);
    expect(dialects.filter((label) => !affinity.includes(`{"key":"${label}","operator":"NotIn"`))).toEqual([]);
    expect(dialects.length).toBeGreaterThan(1);
  });

  describe('the webhook', () => {
    interface Hook {
      readonly name: string;
      readonly clientConfig: { readonly caBundle: string };
      readonly namespaceSelector: unknown;
    }
    const hooks = (found.ok ? named(rendered, 'MutatingWebhookConfiguration', 'nerve-agent')['webhooks'] : []) as readonly Hook[];

    it('never refuses a pod and is never waited for', () => {
      expect(hooks.map(({ name }) => name)).toEqual(['pods.nerve.io', 'jobs.nerve.io']);
      for (const hook of hooks) {
        expect(hook).toMatchObject({ failurePolicy: 'Ignore', timeoutSeconds: 2, sideEffects: 'None', reinvocationPolicy: 'IfNeeded' });
      }
    });

    it('sees labelled pods, and Jobs whose template is labelled, outside the system and its own namespace', () => {
      const [podRule, jobRule] = hooks;
      expect(podRule).toMatchObject({
        objectSelector: { matchLabels: { 'nerve.io/tier': 'async' } },
        rules: [{ resources: ['pods'], operations: ['CREATE'], apiGroups: [''] }],
      });
      expect(jobRule).toMatchObject({
        matchConditions: [{ name: 'async-template' }],
        rules: [{ resources: ['jobs'], operations: ['CREATE'], apiGroups: ['batch'] }],
      });
      for (const { namespaceSelector } of hooks) {
        const values = ['kube-system', 'kube-public', 'kube-node-lease', 'nerve'];
        expect(namespaceSelector).toEqual({ matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values }] });
      }
    });

    it('has a certificate for its service, signed by the authority that the API server is told', () => {
      const tls = dataOf(named(rendered, 'Secret', 'nerve-agent-webhook-tls'));
      const certificate = new X509Certificate(tls['tls.crt'] ?? '');
      const authority = new X509Certificate(tls['ca.crt'] ?? '');
      expect(certificate.verify(authority.publicKey)).toBe(true);
      expect(certificate.subjectAltName).toContain('DNS:nerve-agent-webhook.nerve.svc');
      for (const { clientConfig } of hooks) expect(Buffer.from(clientConfig.caBundle, 'base64').toString()).toBe(tls['ca.crt']);
    });
  });

  it('lets the post-delete hook need nothing of the release, which is gone by then', () => {
    const own = [
      'ServiceAccount nerve-agent-uninstall',
      'ClusterRole nerve-agent-uninstall',
      'ClusterRoleBinding nerve-agent-uninstall',
      'Job nerve-agent-post-delete',
    ];
    const post = rendered.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'post-delete');
    expect(kinds(post).toSorted()).toEqual(own.toSorted());
    for (const { metadata } of post)
      expect(metadata.annotations?.['helm.sh/hook-delete-policy']).toBe('before-hook-creation,hook-succeeded,hook-failed');
    expect(pods(post).get('Job nerve-agent-post-delete')?.volumes).toEqual([{ name: 'tmp', emptyDir: { sizeLimit: '16Mi' } }]);
  });

  it('puts nothing of a Secret anywhere but in Secrets', async () => {
    const withUrl = await helm.render('redis.enabled=false', 'redis.url=rediss://:s3cret-password@redis.example.com:6380');
    for (const manifests of [rendered, withUrl]) {
      const secrets = manifests.filter(({ kind }) => kind === 'Secret').flatMap((one) => Object.entries(dataOf(one)));
      const elsewhere = JSON.stringify(manifests.filter(({ kind }) => kind !== 'Secret'));
      const leaked = secrets.filter(
        ([key, value]) => !key.endsWith('.crt') && (elsewhere.includes(value) || elsewhere.includes(Buffer.from(value, 'latin1').toString('base64'))),
      );
      expect(leaked.map(([key]) => key)).toEqual([]);
      expect(elsewhere).not.toContain('s3cret');
    }
  });

  it('makes other keys and passwords for another installation', async () => {
    const again = await helm.render();
    for (const name of ['nerve-agent-attempt-key', 'nerve-agent-redis', 'nerve-agent-webhook-tls']) {
      expect(dataOf(named(again, 'Secret', name))).not.toEqual(dataOf(named(rendered, 'Secret', name)));
    }
    expect(Buffer.from(dataOf(named(rendered, 'Secret', 'nerve-agent-attempt-key'))['key'] ?? '', 'latin1')).toHaveLength(32);
  });

  describe('switches', () => {
    const cases: readonly { readonly set: readonly string[]; readonly gone?: readonly string[]; readonly new?: readonly string[] }[] = [
      {
        set: ['agent.enabled=false'],
        gone: [
          'DaemonSet nerve-agent-agent',
          'ServiceAccount nerve-agent-agent',
          'ClusterRole nerve-agent-agent',
          'ClusterRoleBinding nerve-agent-agent',
        ],
      },
      { set: ['watchdog.enabled=false'], gone: ['CronJob nerve-agent-watchdog'] },
      {
        set: ['hooks.enabled=false'],
        gone: [
          'Job nerve-agent-pre-delete',
          'Job nerve-agent-post-delete',
          'ServiceAccount nerve-agent-uninstall',
          'ClusterRole nerve-agent-uninstall',
          'ClusterRoleBinding nerve-agent-uninstall',
        ],
      },
      {
        set: ['redis.enabled=false', 'redis.url=redis://:p@redis.example.com:6379'],
        gone: ['StatefulSet nerve-agent-redis', 'Service nerve-agent-redis', 'ConfigMap nerve-agent-redis', 'NetworkPolicy nerve-agent-redis'],
      },
      { set: ['redis.existingSecret=mine'], gone: ['Secret nerve-agent-redis'] },
      { set: ['worker.attemptKey.existingSecret=mine'], gone: ['Secret nerve-agent-attempt-key'] },
      { set: ['webhook.tls.existingSecret=mine', 'webhook.tls.caBundle=PEM'], gone: ['Secret nerve-agent-webhook-tls'] },
      {
        set: ['certManager.enabled=true'],
        gone: ['Secret nerve-agent-webhook-tls'],
        new: ['Issuer nerve-agent-self-signed', 'Certificate nerve-agent-webhook'],
      },
      {
        set: ['certManager.enabled=true', 'certManager.issuerRef.name=ours'],
        gone: ['Secret nerve-agent-webhook-tls'],
        new: ['Certificate nerve-agent-webhook'],
      },
      { set: ['networkPolicy.enabled=false'], gone: ['redis', 'watchdog', 'webhook', 'worker'].map((name) => `NetworkPolicy nerve-agent-${name}`) },
      { set: ['serviceMonitor.enabled=true'], new: ['ServiceMonitor nerve-agent', 'Service nerve-agent-metrics'] },
      {
        set: ['worker.replicas=1', 'webhook.replicas=1'],
        gone: ['PodDisruptionBudget nerve-agent-worker', 'PodDisruptionBudget nerve-agent-webhook'],
      },
      {
        set: ['serviceAccount.create=false'],
        gone: ['agent', 'uninstall', 'watchdog', 'webhook', 'worker'].map((name) => `ServiceAccount nerve-agent-${name}`),
      },
      {
        set: ['rbac.create=false'],
        gone: [
          ...['agent', 'uninstall', 'watchdog', 'webhook', 'worker'].flatMap((name) => [
            `ClusterRole nerve-agent-${name}`,
            `ClusterRoleBinding nerve-agent-${name}`,
          ]),
          'Role nerve-agent-create-pods',
          'RoleBinding nerve-agent-create-pods',
        ],
      },
    ];

    it.each(cases.map((one) => ({ ...one, title: one.set.join(' ') })))('$title', async ({ set, gone = [], new: added = [] }) => {
      const before = kinds(rendered);
      const after = kinds(await helm.render(...set));
      expect(before.filter((one) => !after.includes(one)).toSorted()).toEqual(gone.toSorted());
      expect(after.filter((one) => !before.includes(one)).toSorted()).toEqual(added.toSorted());
    });

    it('every choice of avoidSpot, an own affinity, the host network and a digest render', async () => {
      for (const set of [
        'avoidSpot=preferred',
        'avoidSpot=off',
        'webhook.hostNetwork=true',
        'agent.hostNetwork=false',
        'redis.persistence.enabled=false',
      ]) {
        expect(await helm.render(set)).not.toEqual([]);
      }
      const own = await helm.render(
        'worker.affinity.podAffinity.x=y',
        `image.digest=sha256:${'a'.repeat(64)}`,
        'webhook.tolerations[0].operator=Exists',
        'priorityClassName=high',
      );
      const worker = pods(own).get('Deployment nerve-agent-worker');
      expect(worker).toMatchObject({ affinity: { podAffinity: { x: 'y' } }, priorityClassName: 'high' });
      expect(worker?.containers[0]?.image).toBe(`localhost/nerve@sha256:${'a'.repeat(64)}`);
      expect(pods(own).get('Deployment nerve-agent-webhook')).toMatchObject({ tolerations: [{ operator: 'Exists' }] });
    });

    it('the example of a price file is mounted as it is, and the region is told', async () => {
      const set = await helm.render('--set-file=prices=examples/cluster/prices.yaml', 'region=eu-west-3');
      const mounted = (named(set, 'ConfigMap', 'nerve-agent')['data'] as Record<string, string>)['prices.yaml'] ?? '';
      expect(parse(mounted)).toEqual(parse(readFileSync('examples/cluster/prices.yaml', 'utf8')));
      expect(parse(mounted)).toMatchObject({
        region: 'eu-west-3',
        prices: expect.arrayContaining([expect.objectContaining({ instanceType: 'g4dn.xlarge' })]) as unknown,
      });
      expect(pods(set).get('Deployment nerve-agent-worker')?.containers[0]?.env).toContainEqual({ name: 'NERVE_REGION', value: 'eu-west-3' });
    });

    it('settings and prices reach the programs', async () => {
      const set = await helm.render('settings.policy.marginSeconds=600', 'prices=some: prices');
      expect(named(set, 'ConfigMap', 'nerve-agent')['data']).toEqual({
        'nerve.yaml': 'policy:\n  marginSeconds: 600\n',
        'prices.yaml': 'some: prices\n',
      });
    });
  });

  describe('values that are wrong', () => {
    it.each([
      ['workr.replicas=2', "additional properties 'workr' not allowed"],
      ['worker.replica=2', "additional properties 'replica' not allowed"],
      ['worker.replicas=two', '/worker/replicas'],
      ['webhook.timeoutSeconds=3', 'maximum: got 3, want 2'],
      ['avoidSpot=never', '/avoidSpot'],
      ['settings.policy.marginSecond=9', "additional properties 'marginSecond' not allowed"],
      ['settings.policy.marginSeconds=-9', '/settings/policy/marginSeconds'],
      ['redis.url=postgres://x', '/redis/url'],
      ['redis.enabled=false', 'set redis.url or redis.existingSecret'],
      ['webhook.tls.existingSecret=mine', 'needs webhook.tls.caBundle'],
      ['redis.image.repository=redis', 'needs redis.image.tag'],
    ])('%s is refused: %s', async (set, why) => {
      await expect(helm.render(set)).rejects.toThrow(why);
    });
  });

  it('has a test script that survives being an argument of a pod', () => {
    expect(readFileSync(`${CHART}/files/test.mjs`, 'utf8')).not.toMatch(/\$\$|\$\(/);
  });
});
