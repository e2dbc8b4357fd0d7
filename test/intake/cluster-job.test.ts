import { describe, expect, it, test } from 'vitest';
import { clusterJob, type ClusterJobInput } from '../../src/intake/cluster-job.ts';
import { heldManifest } from '../../src/intake/held-manifest.ts';
import { withoutNerve } from '../../src/intake/submit-pod.ts';
import type { Manifest } from '../../src/ports.ts';

const deadlineMs = Date.parse('2026-11-26T08:00:00Z');
const ask = (change: Partial<ClusterJobInput> = {}): ClusterJobInput => ({
  flags: { image: 'registry/me/train:1' },
  asked: { file: {}, manifest: null },
  command: ['python', 'Train_Model.py'],
  defaults: {},
  deadlineMs,
  workMs: 5_400_000,
  ...change,
});
const POD: Manifest = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'mine', labels: { app: 'x' }, annotations: { 'nerve.io/optimize': 'carbon' } },
  spec: { containers: [{ name: 'c', image: 'i' }], priorityClassName: 'high' },
};
const JOB: Manifest = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'nightly' },
  spec: { backoffLimit: 6, template: { spec: { containers: [{ name: 'c', image: 'i' }] } } },
};
const usage = (words: RegExp) => expect.objectContaining({ kind: 'usage', message: expect.stringMatching(words) });

describe('what is created from flags', () => {
  it('is a labelled pod whose name only begins as asked', () => {
    expect(clusterJob(ask())).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        generateName: 'train-model-',
        labels: { 'nerve.io/tier': 'async' },
        annotations: { 'nerve.io/deadline': '2026-11-26T08:00:00Z', 'nerve.io/expected-duration': '90m' },
      },
      spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'registry/me/train:1', command: ['python', 'Train_Model.py'] }] },
    });
  });

  it('carries every wish as an annotation', () => {
    const flags = {
      image: 'i',
      name: 'My Job',
      optimize: 'carbon',
      'carbon-price': 80,
      'max-price': 1.5,
      retries: 0,
      zone: ['euw3-az1', 'euw3-az2'],
      gpus: '8:h100',
      'checkpoint-uri': 's3://b/p/',
      'regional-volumes': true,
    };
    expect(clusterJob(ask({ flags, workMs: 90_500 })).metadata).toMatchObject({
      generateName: 'my-job-',
      annotations: {
        'nerve.io/expected-duration': '91s',
        'nerve.io/optimize': 'carbon',
        'nerve.io/carbon-price': '80',
        'nerve.io/max-price': '1.5',
        'nerve.io/retries': '0',
        'nerve.io/zones': 'euw3-az1,euw3-az2',
        'nerve.io/instance-types': 'p5.48xlarge',
        'nerve.io/checkpoint-uri': 's3://b/p',
        'nerve.io/volumes': 'regional',
      },
    });
  });

  it('takes what is missing from the defaults of the context, and flags win over them', () => {
    const defaults = {
      image: 'team/base:2',
      gpus: '1:l4',
      serviceAccount: 'trainer',
      checkpointUri: 's3://team/ckpt',
      optimize: 'balanced' as const,
    };
    const made = clusterJob(ask({ flags: { optimize: 'cost' }, defaults }));
    expect(made.spec).toMatchObject({ serviceAccountName: 'trainer', containers: [{ image: 'team/base:2' }] });
    expect(made.metadata.annotations).toMatchObject({
      'nerve.io/optimize': 'cost',
      'nerve.io/checkpoint-uri': 's3://team/ckpt',
      'nerve.io/instance-types': expect.stringContaining('g6.xlarge'),
    });
  });

  it('is a Job with --as-job, whose own failures count and whose moves do not', () => {
    expect(clusterJob(ask({ flags: { image: 'i', 'as-job': true, retries: 2 } }))).toMatchObject({
      kind: 'Job',
      metadata: { generateName: 'train-model-' },
      spec: {
        backoffLimit: 2,
        podFailurePolicy: {
          rules: [
            { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] },
            { action: 'Ignore', onExitCodes: { operator: 'In', values: [75] } },
          ],
        },
        template: {
          metadata: { labels: { 'nerve.io/tier': 'async' }, annotations: { 'nerve.io/deadline': '2026-11-26T08:00:00Z' } },
          spec: { restartPolicy: 'Never' },
        },
      },
    });
  });

  it('is refused with a name that nobody could read', () => {
    for (const name of [' ', 'we\nird', 'a\u001B[31mred', 'x'.repeat(201)])
      expect(() => clusterJob(ask({ flags: { image: 'i', name } }))).toThrow(usage(/^The name /));
  });

  it('without an image is refused, naming both ways', () => {
    expect(() => clusterJob(ask({ flags: {} }))).toThrow(
      expect.objectContaining({ kind: 'usage', hint: expect.stringMatching(/--image.*nerve up/) }),
    );
  });
});

describe("a manifest of the user's", () => {
  it('stays as it is, but for the label and what flags add', () => {
    expect(clusterJob(ask({ flags: {}, asked: { file: {}, manifest: POD }, command: [] }))).toEqual({
      ...POD,
      metadata: {
        name: 'mine',
        labels: { app: 'x', 'nerve.io/tier': 'async' },
        annotations: { 'nerve.io/optimize': 'carbon', 'nerve.io/deadline': '2026-11-26T08:00:00Z', 'nerve.io/expected-duration': '90m' },
      },
    });
  });

  it('of a Job is marked in its template', () => {
    expect(clusterJob(ask({ flags: {}, asked: { file: {}, manifest: JOB }, command: [], deadlineMs: null, workMs: null }))).toEqual({
      ...JOB,
      spec: {
        backoffLimit: 6,
        template: { metadata: { labels: { 'nerve.io/tier': 'async' }, annotations: {} }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
  });

  it('as a template in a job file becomes a pod that ends', () => {
    const file = { template: { metadata: { generateName: 'render-' }, spec: { containers: [{ name: 'c', image: 'i' }] } } };
    expect(clusterJob(ask({ flags: {}, asked: { file, manifest: null }, command: [] }))).toMatchObject({
      kind: 'Pod',
      metadata: { generateName: 'render-' },
      spec: { restartPolicy: 'Never' },
    });
  });

  test.each<[string, Partial<ClusterJobInput>, RegExp]>([
    ['an image', { flags: { image: 'other' }, command: [] }, /A Pod manifest says itself what runs; it does not go with --image/],
    ['a command', { flags: {} }, /a command/],
    ['an environment', { flags: { env: ['A=b'] }, command: [] }, /--env/],
  ])('does not go with %s', (_, change, words) => {
    expect(() => clusterJob(ask({ asked: { file: {}, manifest: POD }, ...change }))).toThrow(usage(words));
  });
});

describe('where Nerve is away', () => {
  it('a job that runs without it carries no label and no gate', () => {
    const pod = clusterJob(ask());
    const gated = { ...pod, spec: { ...(pod.spec as object), schedulingGates: [{ name: 'nerve.io/hold' }, { name: 'kueue.x-k8s.io/admission' }] } };
    const plain = withoutNerve(gated);
    expect(plain.metadata.labels).toEqual({});
    expect(plain.spec).toMatchObject({ schedulingGates: [{ name: 'kueue.x-k8s.io/admission' }] });
    const job = withoutNerve(clusterJob(ask({ flags: {}, asked: { file: {}, manifest: JOB }, command: [] })));
    expect((job.spec as { readonly template: { readonly metadata: object } }).template.metadata).toEqual({
      labels: {},
      annotations: expect.anything(),
    });
  });

  it('a held one has all that cannot be added later', () => {
    const held = heldManifest(clusterJob(ask({ flags: { image: 'i', 'checkpoint-uri': 's3://b/p', env: ['A=1'] } })), {
      jobId: 'j-abcdefgh',
      hookToken: 't',
    });
    expect(held.metadata).toMatchObject({
      labels: { 'nerve.io/job-id': 'j-abcdefgh' },
      annotations: { 'nerve.io/attempt': '1', 'karpenter.sh/do-not-disrupt': 'true' },
    });
    const { schedulingGates, containers, terminationGracePeriodSeconds } = held.spec as {
      schedulingGates: unknown;
      containers: { env: { name: string; value: string }[] }[];
      terminationGracePeriodSeconds: number;
    };
    expect({ schedulingGates, terminationGracePeriodSeconds }).toEqual({
      schedulingGates: [{ name: 'nerve.io/hold' }],
      terminationGracePeriodSeconds: 110,
    });
    expect(Object.fromEntries((containers[0]?.env ?? []).map(({ name, value }) => [name, value]))).toMatchObject({
      A: '1',
      NERVE_JOB_ID: 'j-abcdefgh',
      NERVE_ATTEMPT: '1',
      NERVE_CHECKPOINT_URI: 's3://b/p',
      NERVE_DEADLINE: '2026-11-26T08:00:00Z',
      NERVE_HOOK_TOKEN: 't',
    });
  });
});
