import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod } from '../../src/engine/pod/types.ts';
import type { AdmissionContext } from '../../src/webhook/context.ts';
import { mutate } from '../../src/webhook/mutate.ts';
import { reviewOf, type Verdict } from '../../src/webhook/review.ts';
import { applied, contextWith, NOW_MS } from '../support/webhook/context.ts';
import { podKinds, podOfKind, podReview, type PodKind, WORKER } from '../support/webhook/reviews.ts';

function admit(pod: Pod, context: AdmissionContext = contextWith(), request = {}): { readonly verdict: Verdict; readonly pod: Pod } {
  const verdict = mutate(podReview(pod, request), context);
  return { verdict, pod: applied(pod, verdict.patch) };
}

const admitted = (kind: PodKind, context?: AdmissionContext) => admit(podOfKind(kind), context);
const gates = (pod: Pod): readonly string[] => (pod.spec.schedulingGates ?? []).map(({ name }) => name);
const environment = (pod: Pod, container = 'train'): Readonly<Record<string, unknown>> =>
  Object.fromEntries((pod.spec.containers.find(({ name }) => name === container)?.env ?? []).map((v) => [v.name, v.value]));

describe('the adoption table', () => {
  it('is the golden one, row by row', async () => {
    const rows = podKinds.map((kind) => {
      const { verdict, pod } = admitted(kind);
      const held = gates(pod).includes('nerve.io/hold') ? 'held' : 'not held';
      return [`${kind}: ${verdict.outcome}, ${held}`, ...verdict.warnings.map((warning) => `    ${warning}`)].join('\n');
    });
    await expect(`${rows.join('\n')}\n`).toMatchFileSnapshot('adoption.golden.txt');
  });

  it('leaves what it does not adopt exactly as it came', () => {
    const left = podKinds.filter((kind) => admitted(kind).verdict.outcome === 'left');
    expect(left.length).toBeGreaterThan(10);
    for (const kind of left.filter((k) => !k.includes('our gate'))) expect([kind, admitted(kind).verdict.patch]).toEqual([kind, []]);
  });

  it('takes its own gate off a pod that it leaves alone, because nobody would ever open it', () => {
    expect(gates(admitted('pod of a Deployment with our gate in its template').pod)).toEqual([]);
  });

  it('lets the pods of the worker pass as they are', () => {
    const { verdict } = admit(podOfKind('copy of an adopted pod'), contextWith(), { username: WORKER });
    expect(verdict).toEqual({ outcome: 'own', patch: [], warnings: [], jobId: null });
  });

  it('leaves a pod of an unindexed Job without a word about it when a sibling lives', () => {
    const predecessors = { of: () => null, sibling: () => true };
    expect(admitted('pod of a Job that is older than the webhook', contextWith({ predecessors })).verdict.outcome).toBe('left');
    expect(admitted('pod of a Job', contextWith({ predecessors })).verdict.outcome).toBe('adopted');
    expect(admitted('pod of an indexed Job', contextWith({ predecessors })).verdict.outcome).toBe('adopted');
  });
});

describe('an adopted pod', () => {
  it('gets gate, id, marks, tolerations, grace and the checkpoint environment, and nothing else changes', () => {
    const before = podOfKind('bare pod');
    const { verdict, pod } = admitted('bare pod');
    expect(verdict.warnings).toEqual([]);
    expect(gates(pod)).toEqual(['nerve.io/hold']);
    expect(pod.metadata.labels).toEqual({ ...before.metadata.labels, 'nerve.io/job-id': verdict.jobId });
    expect(pod.metadata.annotations).toEqual({
      ...before.metadata.annotations,
      'nerve.io/webhook': '0.1.0',
      'nerve.io/attempt': '1',
      'karpenter.sh/do-not-disrupt': 'true',
      'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
    });
    expect(environment(pod)).toEqual({
      NERVE_JOB_ID: verdict.jobId,
      NERVE_ATTEMPT: '1',
      NERVE_DEADLINE: '2026-11-25T20:00:00Z',
      NERVE_CHECKPOINT_URI: 's3://bucket/run-7',
      NERVE_HOOK_HOST: '0.0.0.0',
      NERVE_HOOK_PORT: '8711',
      NERVE_HOOK_TOKEN: 'token-of-this-attempt',
    });
    expect(pod.spec.tolerations?.map(({ key }) => key)).toEqual([
      ...(before.spec.tolerations ?? []).map(({ key }) => key),
      'eks.amazonaws.com/capacityType',
      'karpenter.sh/capacity-type',
    ]);
    const rest = { ...pod.spec, schedulingGates: undefined, tolerations: undefined, terminationGracePeriodSeconds: undefined, containers: undefined };
    const same = {
      ...before.spec,
      schedulingGates: undefined,
      tolerations: undefined,
      terminationGracePeriodSeconds: undefined,
      containers: undefined,
    };
    expect(pod.spec.terminationGracePeriodSeconds).toBe(110);
    expect(rest).toEqual(same);
    expect(verdict.jobId).toMatch(/^j-[0-9a-z]{8}$/);
  });

  it('keeps what the user set: longer grace, other gates, tolerations, do-not-disrupt, affinity, environment', () => {
    const kind = 'pod with affinity, gate and environment of its own';
    const before = podOfKind(kind);
    const { pod } = admitted(kind);
    expect(pod.spec.terminationGracePeriodSeconds).toBe(600);
    expect(gates(pod)).toEqual(['example.com/quota', 'nerve.io/hold']);
    expect(pod.spec.tolerations).toEqual([...(before.spec.tolerations ?? []), expect.objectContaining({ key: 'karpenter.sh/capacity-type' })]);
    expect(pod.metadata.annotations).toMatchObject({ 'karpenter.sh/do-not-disrupt': 'false' });
    expect(pod.spec.affinity).toEqual(before.spec.affinity);
    expect(pod.spec.containers[0]?.env?.slice(-2)).toEqual(before.spec.containers[0]?.env);
  });

  it('trains in the container that the annotations name, not in a proxy that stands first', () => {
    const { pod } = admitted('pod with sidecars');
    expect(environment(pod, 'istio-proxy')).not.toHaveProperty('NERVE_JOB_ID');
    expect(environment(pod)).toHaveProperty('NERVE_JOB_ID');
    expect(JSON.stringify(pod.spec.initContainers)).not.toContain('NERVE_');
  });

  it('gets an id of its own when it is a copy of another one, and none of what Nerve wrote on that', () => {
    const { verdict, pod } = admitted('copy of an adopted pod');
    expect(verdict.jobId).not.toBe('j-00000000');
    expect(pod.metadata.labels).toMatchObject({ 'nerve.io/job-id': verdict.jobId });
    expect(pod.metadata.annotations).toMatchObject({ 'nerve.io/attempt': '1' });
    for (const name of ['nerve.io/state', 'nerve.io/last-checkpoint', 'nerve.io/request-seen'])
      expect(pod.metadata.annotations).not.toHaveProperty([name]);
    expect(environment(pod)).toMatchObject({
      NERVE_JOB_ID: verdict.jobId,
      NERVE_ATTEMPT: '1',
      NERVE_HOOK_TOKEN: 'token-of-this-attempt',
      EPOCHS: '10',
    });
    expect(environment(pod)).not.toHaveProperty('NERVE_PREVIOUS_ATTEMPT');
  });

  it.each(podKinds)('is changed no further by a second pass: %s', (kind) => {
    let tokens = 0;
    const context = contextWith({ newToken: () => `token-${++tokens}` });
    const once = admit(podOfKind(kind), context);
    expect(admit(once.pod, { ...context, nowMs: NOW_MS + 5000 }).verdict.patch).toEqual([]);
  });

  it('is whole after a second pass under another request uid, as an API server reinvokes a webhook', () => {
    const once = admitted('bare pod').pod;
    const twice = admit(once, contextWith(), { uid: 'another-call' });
    expect(gates(twice.pod)).toEqual(['nerve.io/hold']);
    expect(twice.pod.metadata.labels?.['nerve.io/job-id']).toBe(twice.verdict.jobId);
    expect(environment(twice.pod)['NERVE_JOB_ID']).toBe(twice.verdict.jobId);
    expect(twice.pod.spec.containers[0]?.env).toHaveLength(once.spec.containers[0]?.env?.length ?? 0);
    expect(twice.pod.spec.tolerations).toEqual(once.spec.tolerations);
  });

  it('is the same under dry run, so that a client can see whether Nerve is there', () => {
    const pod = podOfKind('bare pod');
    expect(mutate(podReview(pod, { dryRun: true }), contextWith())).toEqual(mutate(podReview(pod), contextWith()));
  });
});

describe('a pod that its Job creates again', () => {
  it('continues the same nerve job with a higher attempt', () => {
    const first = admitted('pod of an indexed Job');
    const second = admit(podOfKind('pod of an indexed Job'), contextWith({ nowMs: NOW_MS + 60_000 }), { uid: 'other' });
    expect(second.verdict.jobId).toBe(first.verdict.jobId);
    expect(Number(environment(second.pod)['NERVE_ATTEMPT'])).toBe(Number(environment(first.pod)['NERVE_ATTEMPT']) + 60);
    expect(environment(first.pod)['NERVE_ATTEMPT']).toBe(String(NOW_MS / 1000));
  });

  it('of another index is another job, with a checkpoint place of its own', () => {
    const three = podOfKind('pod of an indexed Job');
    const four = JSON.parse(JSON.stringify(three).replaceAll('"3"', '"4"')) as Pod;
    expect(admit(four).verdict.jobId).not.toBe(admit(three).verdict.jobId);
    expect(environment(admit(four).pod)['NERVE_CHECKPOINT_URI']).toBe('s3://bucket/run-7/4');
    expect(admit(four).pod.metadata.annotations?.['nerve.io/checkpoint-uri']).toBe('s3://bucket/run-7/4');
  });

  it('is told which attempt still saves and until when it may, and its number is higher even within the same second', () => {
    const attempt = NOW_MS / 1000;
    const predecessors = { of: () => ({ attempt, endsAtMs: NOW_MS + 110_000 }), sibling: () => false };
    const { pod } = admitted('pod of a Job', contextWith({ predecessors }));
    expect(environment(pod)).toMatchObject({
      NERVE_ATTEMPT: String(attempt + 1),
      NERVE_PREVIOUS_ATTEMPT: String(attempt),
      NERVE_WAIT_SEALED_UNTIL: '2026-11-25T12:01:55Z',
    });
  });

  it('does not wait for one that must be gone by now', () => {
    const predecessors = { of: () => ({ attempt: 7, endsAtMs: NOW_MS - 60_000 }), sibling: () => false };
    expect(environment(admitted('pod of a Job', contextWith({ predecessors })).pod)).not.toHaveProperty('NERVE_PREVIOUS_ATTEMPT');
  });
});

describe('while Nerve is away', () => {
  const away = contextWith({ away: true });

  it.each(podKinds.filter((kind) => kind !== 'pod without the label'))('holds nothing, marks nothing as adopted, and says so: %s', (kind) => {
    const { pod, verdict } = admitted(kind, away);
    expect(gates(pod)).not.toContain('nerve.io/hold');
    expect(['away', 'left']).toContain(verdict.outcome);
    expect(pod.metadata.annotations ?? {}).not.toHaveProperty(['nerve.io/webhook']);
    expect(pod.metadata.labels ?? {}).not.toHaveProperty(['nerve.io/job-id']);
    expect(verdict.warnings).toHaveLength(1);
  });

  it('still says where checkpoints are, so that a pod that its Job creates again resumes', () => {
    expect(environment(admitted('pod of a Job', away).pod)).toMatchObject({
      NERVE_CHECKPOINT_URI: 's3://bucket/run-7',
      NERVE_ATTEMPT: String(NOW_MS / 1000),
    });
  });
});

/** What surrounds a hostile part: so that it is reached, and not refused at the door. */
const anywhere = fc.oneof(
  fc.jsonValue(),
  fc.jsonValue().map((request) => ({ request })),
  fc.jsonValue().map((object) => ({ request: { uid: 'u', operation: 'CREATE', kind: { kind: 'Pod' }, object } })),
  fc.jsonValue().map((object) => ({ request: { uid: 'u', operation: 'CREATE', kind: { kind: 'Job' }, object } })),
  fc
    .tuple(fc.constantFrom(...podKinds), fc.constantFrom('metadata', 'spec'), fc.string(), fc.jsonValue(), fc.constantFrom('Pod', 'Job'))
    .map(([kind, part, key, value, as]) => {
      const pod = podOfKind(kind) as unknown as Record<string, Record<string, unknown>>;
      const known = Object.keys(pod[part] ?? {});
      const name = known[key.length % Math.max(known.length, 1)] ?? key;
      const object = { ...pod, [part]: { ...pod[part], [name]: value } };
      return { request: { uid: 'u', operation: 'CREATE', namespace: 'default', kind: { kind: as }, userInfo: { username: 'x' }, object } };
    }),
);

describe('whatever it is sent', () => {
  it('says yes, with a patch that can be applied', () => {
    fc.assert(
      fc.property(anywhere, fc.boolean(), (body, away) => {
        const verdict = mutate(body, contextWith({ away }));
        const { response } = reviewOf('u', verdict) as { response: { allowed: boolean } };
        expect(response.allowed).toBe(true);
        const { object } = (body as { request?: { object?: unknown } } | null)?.request ?? {};
        if (verdict.patch.length > 0) applied(object, verdict.patch);
      }),
      { numRuns: 3000 },
    );
  });

  it('answers the uid that it was asked with, and no patch type without a patch', () => {
    expect(reviewOf('u-1', mutate(null, contextWith()))).toEqual({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'u-1', allowed: true },
    });
  });
});
