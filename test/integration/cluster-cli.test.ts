// The command line against a stand-in of the API server, as a process: targets, the submit's three answers, asks, exit codes.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { mutateJob } from '../../src/webhook/jobs.ts';
import { type FakeApi, fakeApi, status } from '../support/kube/fake-api.ts';

const folder = mkdtempSync(join(tmpdir(), 'nerve-cc-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let api: FakeApi;
beforeEach(async () => {
  api = await fakeApi();
});
afterEach(() => api.close());

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function nerve(args: readonly string[], env: Record<string, string> = {}, program = 'bin/nerve'): Promise<Ran> {
  const base: Record<string, string | undefined> = {
    ...process.env,
    HOME: folder,
    NERVE_STATE_DIR: join(folder, 'state'),
    KUBECONFIG: api.kubeconfig,
    ...env,
  };
  for (const name of ['NERVE_TARGET', 'NERVE_CONTEXT', 'NERVE_NAMESPACE']) if (env[name] === undefined) delete base[name];
  return new Promise((done) => {
    const child = execFile(resolve(program), args, { cwd: folder, env: base, timeout: 60_000 }, (_error, out, err) =>
      done({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

/** A living Nerve: its webhook adopts, its worker acknowledges and takes asks. */
function nerveLives(states: { readonly state?: string; readonly silent?: boolean } = {}): void {
  let n = 0;
  api.admit = (pod) =>
    pod.metadata.labels?.['nerve.io/tier'] === undefined
      ? { pod }
      : {
          pod: {
            ...pod,
            metadata: {
              ...pod.metadata,
              labels: { ...pod.metadata.labels, 'nerve.io/job-id': `j-adopted${n++}` },
              annotations: { ...pod.metadata.annotations, 'nerve.io/webhook': '0.1.0', 'nerve.io/attempt': '1' },
            },
            spec: { ...pod.spec, schedulingGates: [{ name: 'nerve.io/hold' }] },
          },
        };
  api.created = (kind, { metadata }) => {
    if (kind === 'Job') {
      const { template } = (api.jobs.get(metadata.name ?? '') as { spec: { template: { metadata: object; spec: never } } }).spec;
      const labels = { ...(template.metadata as { labels: object }).labels, 'batch.kubernetes.io/job-name': metadata.name ?? '' };
      api.put(api.admit({ metadata: { ...template.metadata, name: `${metadata.name}-x1`, labels }, spec: template.spec }).pod);
    }
    const name = kind === 'Job' ? `${metadata.name}-x1` : (metadata.name ?? '');
    if (states.silent === true) return;
    setTimeout(() => note(name, { 'nerve.io/state': states.state ?? 'held', 'nerve.io/reason': 'cheaper-window-ahead', 'nerve.io/plan': PLAN }), 150);
  };
  api.answer = (seen) => {
    const asked = (seen.body as { metadata?: { annotations?: Record<string, string> } } | null)?.metadata?.annotations?.['nerve.io/request'];
    const pod = seen.path.split('/').at(-1) ?? '';
    if (seen.method === 'PATCH' && asked !== undefined && states.silent !== true)
      setTimeout(() => note(pod, { 'nerve.io/request-seen': asked }), 100);
    return null;
  };
}

function note(pod: string, annotations: Record<string, string>): void {
  api.set(pod, (before) => ({ ...before, metadata: { ...before.metadata, annotations: { ...before.metadata.annotations, ...annotations } } }));
}

function impatient(): Record<string, string> {
  const config = join(folder, 'impatient.yaml');
  writeFileSync(config, 'cluster: {answerTimeoutSeconds: 1}\n');
  return { NERVE_CONFIG: config };
}

const PLAN = JSON.stringify({
  start: new Date(Date.now() + 3_600_000).toISOString(),
  latestStart: new Date(Date.now() + 7_200_000).toISOString(),
  zone: 'euw3-az2',
  instanceType: 'g6.xlarge',
  capacityType: 'spot',
  expectedCostUsd: 0.7,
  expectedCarbonGrams: 20,
  costNowUsd: 1.1,
});
const SUBMIT = ['submit', '--image', 'train:1', '-d', '+8h', '--duration', '1h', '--', 'python', 'train.py'];

describe('which Nerve is meant', () => {
  it('is the current kube context when Nerve answers there, and the first line says so', async () => {
    nerveLives();
    expect(await nerve(['list'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^cluster \(context fake, namespace team-a\)\nNo jobs in this namespace/),
    });
    expect(api.seen[0]).toMatchObject({ method: 'POST', path: '/api/v1/namespaces/team-a/pods' });
    expect(api.seen[0]?.query.get('dryRun')).toBe('All');
  });

  it('is nobody when Nerve does not answer there: exit 3 names both ways', async () => {
    const { code, err } = await nerve(['list']);
    expect(code).toBe(3);
    expect(err).toMatch(/does not run on this machine, and it does not answer in context fake/);
    expect(err).toMatch(/nerve up.*--context/);
  });

  it('is nobody without a kubeconfig', async () => {
    expect(await nerve(['list'], { KUBECONFIG: join(folder, 'none') })).toMatchObject({
      code: 3,
      err: expect.stringMatching(/there is no kubeconfig[^]*nerve up/),
    });
  });

  it('is what the flags name, without asking for Nerve first', async () => {
    expect(await nerve(['list', '--context', 'other', '-n', 'team-b'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('context other, namespace team-b'),
    });
    expect(api.seen.map(({ method }) => method)).toEqual(['GET']);
  });

  it('is refused when the context is unknown', async () => {
    expect(await nerve(['list', '--context', 'prod'])).toMatchObject({ code: 2, err: expect.stringMatching(/no context "prod"[^]*fake, other/) });
  });

  it('can be set for each context in nerve.yaml', async () => {
    const config = join(folder, 'ours.yaml');
    writeFileSync(config, 'target: cluster\ncluster: {context: other}\ncontexts: {other: {namespace: team-c, image: "base:9"}}\n');
    nerveLives();
    const { code, out } = await nerve(['submit', '-d', '+8h', '--dry-run', '--', 'true'], { NERVE_CONFIG: config });
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('image: base:9') });
    expect(api.seen[0]?.path).toBe('/api/v1/namespaces/team-c/pods');
  });

  it('is a cluster for the kubectl plugin', async () => {
    expect(await nerve(['list'], {}, 'bin/kubectl-nerve')).toMatchObject({ code: 0, out: expect.stringContaining('cluster (context fake') });
  });

  it('is refused when nobody listens there', async () => {
    const nobody = join(folder, 'nobody');
    writeFileSync(nobody, readFileSync(api.kubeconfig, 'utf8').replace(api.url, 'http://127.0.0.1:1'));
    const { code, err } = await nerve(['list', '--target', 'cluster'], { KUBECONFIG: nobody });
    expect({ code, err }).toEqual({ code: 3, err: expect.stringMatching(/context "fake" does not answer at 127\.0\.0\.1/) });
  });
});

describe('submit', () => {
  it('creates the pod after asking with a dry run, and shows the plan that the worker wrote', async () => {
    nerveLives();
    const { code, out, err } = await nerve(SUBMIT);
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringMatching(/^cluster .*\ndeadline .*about 1 h of work\nplan: start at about .* on spot g6\.xlarge in euw3-az2/),
    });
    expect(out.trim()).toMatch(/^j-adopted\d+$/);
    expect(api.seen.filter(({ method }) => method === 'POST').map(({ query }) => query.get('dryRun'))).toEqual(['All', null]);
    expect([...api.pods.values()][0]).toMatchObject({
      metadata: { annotations: { 'nerve.io/expected-duration': '60m' } },
      spec: { containers: [{ command: ['python', 'train.py'] }] },
    });
  });

  it('does the same for a Job, whose pod the Job controller makes', async () => {
    nerveLives();
    const { code, out } = await nerve([...SUBMIT.slice(0, 3), '--as-job', '--json', ...SUBMIT.slice(3)]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      target: 'cluster',
      kind: 'Job',
      acknowledged: true,
      phase: 'held',
      jobId: expect.stringMatching(/^j-adopted/),
      plan: { zone: 'euw3-az2' },
    });
  });

  it('prints the manifest and creates nothing with --dry-run', async () => {
    nerveLives();
    const { code, out, err } = await nerve([...SUBMIT.slice(0, 3), '--dry-run', ...SUBMIT.slice(3)]);
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('Nerve would take this job') });
    expect(out).toMatch(/^apiVersion: v1\nkind: Pod/);
    expect(api.pods.size).toBe(0);
  });

  it('refuses a deadline that cannot be promised before the cluster hears of it', async () => {
    nerveLives();
    expect(await nerve(['submit', '--image', 'i', '-d', '+1h', '--duration', '2h', '--target', 'cluster'])).toMatchObject({
      code: 4,
      err: expect.stringMatching(/too short[^]*nearest deadline/),
    });
    expect(api.seen).toEqual([]);
  });

  it('names the quota that is used up', async () => {
    api.answer = ({ method }) =>
      method === 'POST' ? status(403, 'pods "x" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods=5, limited: pods=5') : null;
    expect(await nerve(SUBMIT)).toMatchObject({ code: 4, err: expect.stringContaining('The quota "gpus" of namespace "team-a" is used up') });
  });

  it('says at the submit of a Job that its moves count against its backoffLimit, in the words of the webhook', async () => {
    nerveLives();
    const file = join(folder, 'brittle.yaml');
    writeFileSync(
      file,
      'apiVersion: batch/v1\nkind: Job\nmetadata: {name: brittle}\nspec: {backoffLimit: 2, template: {spec: {containers: [{name: c, image: i}]}}}\n',
    );
    api.answer = ({ method, path, query, body }) => {
      if (method !== 'POST' || !path.endsWith('/jobs') || !query.has('dryRun')) return null;
      return {
        status: 201,
        body,
        headers: {
          warning: mutateJob(body)
            .warnings.map((text) => `299 - ${JSON.stringify(`nerve: ${text}`)}`)
            .join(', '),
        },
      };
    };
    expect(await nerve(['submit', '-f', file, '-d', '+8h', '--duration', '1h'])).toMatchObject({
      code: 0,
      err: expect.stringMatching(/^warning: nerve: each evacuation of its pods counts against backoffLimit, so it is moved at most once/m),
    });
  });

  it("passes the webhook's warning on and creates nothing when Nerve would leave the pod alone", async () => {
    api.admit = (pod) => ({ pod, warnings: ['nerve: left alone, because volume "data" (a PersistentVolumeClaim) may be tied to one zone'] });
    const { code, err } = await nerve(SUBMIT);
    expect({ code, err }).toEqual({ code: 4, err: expect.stringMatching(/leave this pod alone: .*PersistentVolumeClaim/) });
    expect(api.pods.size).toBe(0);
  });

  it('says so when the worker stays silent; the job stands', async () => {
    nerveLives({ silent: true });
    const { code, err, out } = await nerve(SUBMIT, impatient());
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^j-adopted/) });
    expect(err).toContain("Nerve's worker has not said anything within 1 s");
  });

  describe('where Nerve is away', () => {
    const away = (...more: string[]): Promise<Ran> =>
      nerve(['submit', '--image', 'i', '--instance-type', 'g6.xlarge', '-d', '+8h', '--target', 'cluster', ...more]);

    it('creates nothing, and names the three choices', async () => {
      const { code, err } = await away();
      expect({ code, err }).toEqual({
        code: 3,
        err: expect.stringMatching(/does not answer in context fake.*Nothing was created[^]*--if-away run[^]*--if-away hold/),
      });
      expect(api.pods.size).toBe(0);
    });

    it('runs it at full price when told to, and says which', async () => {
      const { code, err, out } = await away('--if-away', 'run');
      expect({ code, err }).toEqual({ code: 0, err: expect.stringMatching(/full price: \$1\.022\/h for g6\.xlarge/) });
      const pod = api.pods.get(out.trim());
      expect(pod?.metadata.labels).toEqual({});
      expect(pod?.spec.schedulingGates ?? []).toEqual([]);
    });

    it('does not call it held where a webhook without its worker takes the gate off again', async () => {
      api.admit = (pod) => ({
        pod: { ...pod, spec: { ...pod.spec, schedulingGates: [] } },
        warnings: ['nerve: Nerve does not answer at the moment, so this pod is not held.'],
      });
      expect(await away('--if-away', 'hold', '--yes')).toMatchObject({
        code: 3,
        err: expect.stringContaining('holds nothing while its worker is dead'),
      });
      expect(api.pods.size).toBe(0);
    });

    it('holds it only where a watchdog is visible, or on the user’s word', async () => {
      expect(await away('--if-away', 'hold')).toMatchObject({ code: 3, err: expect.stringMatching(/no watchdog can be seen[^]*--yes/) });
      expect(api.pods.size).toBe(0);
      api.answer = ({ path }) =>
        path.startsWith('/apis/batch/v1/namespaces/nerve/cronjobs') ? { status: 200, body: { items: [{ spec: { suspend: false } }] } } : null;
      expect(await away('--if-away', 'hold')).toMatchObject({ code: 0, err: expect.stringContaining('within 4 min') });
      expect(await away('--if-away', 'hold', '--yes')).toMatchObject({ code: 0 });
      expect([...api.pods.values()].map(({ spec }) => spec.schedulingGates)).toEqual([[{ name: 'nerve.io/hold' }], [{ name: 'nerve.io/hold' }]]);
    });
  });
});

describe('a job that is there', () => {
  const JOB = 'j-abc';
  beforeEach(() => {
    nerveLives();
    api.put({
      metadata: {
        name: 'train-x1',
        generateName: 'train-',
        labels: { 'nerve.io/tier': 'async', 'nerve.io/job-id': JOB },
        annotations: {
          'nerve.io/state': 'held',
          'nerve.io/reason': 'cheaper-window-ahead',
          'nerve.io/plan': PLAN,
          'nerve.io/deadline': new Date(Date.now() + 36_000_000).toISOString(),
          'nerve.io/attempt': '1',
        },
      },
      spec: { containers: [{ name: 'main' }], schedulingGates: [{ name: 'nerve.io/hold' }] },
    });
  });

  it('is shown, listed and explained from its annotations', async () => {
    expect(await nerve(['status', JOB])).toMatchObject({ code: 0, out: expect.stringMatching(/^cluster .*\nj-abc {2}train {2}held until about/) });
    expect(await nerve(['list'])).toMatchObject({ code: 0, out: expect.stringMatching(/j-abc {2}train /) });
    expect(await nerve(['explain', JOB])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/cheaper window is expected[^]*latest start \(on demand\)/),
    });
    expect(JSON.parse((await nerve(['status', JOB, '--json'])).out)).toMatchObject({
      jobId: JOB,
      phase: 'held',
      namespace: 'team-a',
      plan: { zone: 'euw3-az2' },
    });
  });

  it('is found by the name of its pod too', async () => {
    expect(await nerve(['status', 'train-x1'])).toMatchObject({ code: 0, out: expect.stringContaining(JOB) });
  });

  test.each(['cancel', 'pause', 'resume', 'release'])('takes "%s" as an annotation that the worker answers', async (ask) => {
    expect(await nerve([ask, JOB])).toMatchObject({ code: 0, out: expect.stringContaining(JOB) });
    expect(api.pods.get('train-x1')?.metadata.annotations?.['nerve.io/request']).toMatch(new RegExp(`^${ask}#[0-9a-f]{12}$`));
  });

  it('takes a new deadline the same way', async () => {
    expect(await nerve(['set', JOB, '--deadline', '2031-01-02T03:04:05Z'])).toMatchObject({ code: 0 });
    expect(api.pods.get('train-x1')?.metadata.annotations?.['nerve.io/request']).toMatch(/^deadline=2031-01-02T03:04:05Z#/);
  });

  it('is waited for, and the exit code is how it ended', async () => {
    const waiting = nerve(['wait', JOB, '--timeout', '30s']);
    await seen(({ query }) => query.get('watch') === 'true');
    note('train-x1', { 'nerve.io/state': 'failed' });
    expect(await waiting).toMatchObject({ code: 100, out: expect.stringContaining('failed') });
    expect(await nerve(['cancel', JOB])).toMatchObject({ code: 4, err: expect.stringContaining('has failed already') });
  });

  it('is waited for no longer than --timeout', async () => {
    expect(await nerve(['wait', JOB, '--timeout', '1s'])).toMatchObject({ code: 101 });
  });

  it('has no output before it starts, and then its pod’s', async () => {
    expect(await nerve(['logs', JOB])).toMatchObject({ code: 0, out: '', err: expect.stringContaining('has not started yet') });
    api.set('train-x1', (pod) => ({ ...pod, spec: { ...pod.spec, nodeName: 'n1' }, status: { phase: 'Running' } }));
    expect(await nerve(['logs', JOB])).toMatchObject({ code: 0, out: 'hello from train-x1\n' });
  });

  it('is drilled through an annotation that the agent of its node answers', async () => {
    expect(await nerve(['drill', JOB])).toMatchObject({ code: 4, err: expect.stringContaining('does not run now') });
    api.set('train-x1', (pod) => ({ ...pod, spec: { ...pod.spec, nodeName: 'n1', schedulingGates: [] }, status: { phase: 'Running' } }));
    const tookMs = [20_000, 150_000];
    api.answer = (seen) => {
      const nonce = (seen.body as { metadata?: { annotations?: Record<string, string> } } | null)?.metadata?.annotations?.['nerve.io/drill'];
      if (nonce !== undefined)
        setTimeout(
          () =>
            note('train-x1', {
              'nerve.io/drill-result': JSON.stringify({ nonce, sealed: { id: '1', step: 4, bytes: 1000, tookMs: tookMs.shift() }, error: null }),
            }),
          100,
        );
      return null;
    };
    expect(await nerve(['drill', JOB])).toMatchObject({ code: 0, out: expect.stringContaining('PASS: checkpoint in 20.0 s') });
    expect(await nerve(['drill', JOB])).toMatchObject({ code: 1, out: expect.stringContaining('FAIL: checkpoint in 150.0 s') });
    api.answer = () => null;
    expect(await nerve(['drill', JOB, '--timeout', '1s'])).toMatchObject({ code: 3, err: expect.stringContaining('No agent has answered') });
  });

  it('is started by hand with release --all, without Nerve', async () => {
    expect(await nerve(['release', '--all', '--target', 'cluster'])).toMatchObject({ code: 0, out: expect.stringContaining('1 gate opened') });
    expect(api.pods.get('train-x1')?.spec.schedulingGates).toEqual([]);
  });

  it('is not found under another id, with exit code 102', async () => {
    expect(await nerve(['status', 'j-nobody'])).toMatchObject({
      code: 102,
      err: expect.stringContaining('There is no job j-nobody in namespace "team-a"'),
    });
  });
});

it('an ask that nobody takes stands, and says so with exit code 3', async () => {
  nerveLives({ silent: true });
  api.put({ metadata: { name: 'p', labels: { 'nerve.io/tier': 'async', 'nerve.io/job-id': 'j-abc' } }, spec: { containers: [] } });
  expect(await nerve(['pause', 'j-abc'], impatient())).toMatchObject({
    code: 3,
    err: expect.stringMatching(/has not taken this within 1 s[^]*nerve doctor/),
  });
});

function seen(what: (seen: FakeApi['seen'][number]) => boolean): Promise<void> {
  return new Promise((done) => {
    const look = setInterval(() => {
      if (!api.seen.some(what)) return;
      clearInterval(look);
      done();
    }, 20);
  });
}
