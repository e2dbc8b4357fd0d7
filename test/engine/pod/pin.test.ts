import { describe, expect, it } from 'vitest';
import type { Placement } from '../../../src/engine/decision.ts';
import { attemptPod } from '../../../src/engine/pod/attempt.ts';
import { POD } from '../../../src/engine/pod/names.ts';
import { type Dialect, dialectOf, observeNode } from '../../../src/engine/pod/node.ts';
import { pinPatch } from '../../../src/engine/pod/pin.ts';
import type { Affinity, NodeSelectorTerm, Pod, PodSpec } from '../../../src/engine/pod/types.ts';
import { AT_MS, node, pod } from './pods.ts';

const spotA: Placement = { zone: 'eu-west-3a', instanceType: 'g6.xlarge', capacityType: 'spot', priceUsdPerHour: 0.35 };
const spotB: Placement = { ...spotA, zone: 'eu-west-3b', priceUsdPerHour: 0.37 };
const onDemand = (zone: string): Placement => ({ zone, instanceType: 'g6.xlarge', capacityType: 'on-demand', priceUsdPerHour: 1 });
const as = { attempt: 1, zone: 'eu-west-3a', instanceType: 'g6.xlarge', capacityType: 'spot' as const, priceUsdPerHour: 0.35, atMs: AT_MS };
const karpenter = dialectOf('karpenter', []);
const isIn = (key: string, ...values: string[]) => ({ key, operator: 'In', values });
const ZONE = 'topology.kubernetes.io/zone';
const CAPACITY = 'karpenter.sh/capacity-type';
const TYPE = 'node.kubernetes.io/instance-type';

const gated = (spec: Partial<PodSpec> = {}): Pod => pod({ spec: { schedulingGates: [{ name: 'other/gate' }, { name: 'nerve.io/hold' }], ...spec } });
const required = (...nodeSelectorTerms: NodeSelectorTerm[]): Affinity => ({
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
});

interface Outcome {
  readonly terms: readonly NodeSelectorTerm[] | undefined;
  readonly weights: readonly number[];
  readonly warning: string | null;
}

function lifted(target: Pod, ranked: readonly Placement[], wide = false, dialect: Dialect = karpenter): Outcome {
  const lift = pinPatch(target, as, ranked, dialect, wide);
  const affinity = lift?.patch.find((op) => op.path === '/spec/affinity')?.value as Affinity | undefined;
  return {
    terms: affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms,
    weights: affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.map(({ weight }) => weight) ?? [],
    warning: lift?.warning ?? null,
  };
}

describe('the patch that lifts a gate', () => {
  const spot = [isIn(ZONE, 'eu-west-3a'), isIn(CAPACITY, 'spot'), isIn(TYPE, 'g6.xlarge')];

  it('tests the gate it takes away, and leaves others', () => {
    const patch = pinPatch(gated(), as, [spotA], karpenter, false)?.patch;
    expect(patch?.[0]).toEqual({ op: 'test', path: '/spec/schedulingGates/1/name', value: 'nerve.io/hold' });
    expect(patch?.at(-1)).toEqual({ op: 'remove', path: '/spec/schedulingGates/1' });
  });

  it('is none for a pod without the gate', () => expect(pinPatch(pod(), as, [spotA], karpenter, false)).toBeNull());

  it('pins a bare pod to the first zone of spot', () => expect(lifted(gated(), [spotA, spotB]).terms).toEqual([{ matchExpressions: spot }]));

  it('asks for on demand in every zone', () =>
    expect(lifted(gated(), [onDemand('eu-west-3a'), onDemand('eu-west-3c')]).terms).toEqual([
      { matchExpressions: [isIn(ZONE, 'eu-west-3a', 'eu-west-3c'), isIn(CAPACITY, 'on-demand', 'reserved'), isIn(TYPE, 'g6.xlarge')] },
    ]));

  it('asks for on demand in the first zone rather than in the others', () =>
    expect(lifted(gated(), [onDemand('eu-west-3a'), onDemand('eu-west-3b'), onDemand('eu-west-3c')]).weights).toEqual([100, 51, 2]));

  it('lets a pod of a Job go to every zone, the best with the most weight', () => {
    const { terms, weights } = lifted(gated(), [spotB, spotA], true);
    expect(terms?.[0]?.matchExpressions?.[0]).toEqual(isIn(ZONE, 'eu-west-3b', 'eu-west-3a'));
    expect(weights).toEqual([100, 1]);
  });

  it('adds the place to each of its user’s own terms', () => {
    const own = [{ matchExpressions: [isIn('pool', 'a')] }, { matchExpressions: [isIn('pool', 'b')] }];
    expect(lifted(gated({ affinity: required(...own) }), [spotA]).terms).toEqual(
      own.map(({ matchExpressions }) => ({ matchExpressions: [...matchExpressions, ...spot] })),
    );
  });

  it.each([
    ['In', isIn(ZONE, 'eu-west-3b')],
    ['NotIn', { key: ZONE, operator: 'NotIn', values: ['eu-west-3a'] }],
    ['DoesNotExist', { key: CAPACITY, operator: 'DoesNotExist' }],
  ])('drops a term that contradicts the place by %s', (_, expression) => {
    const other = { matchExpressions: [isIn('pool', 'a')] };
    const outcome = lifted(gated({ affinity: required({ matchExpressions: [expression] }, other) }), [spotA]);
    expect(outcome.terms).toEqual([{ matchExpressions: [isIn('pool', 'a'), ...spot] }]);
    expect(outcome.warning).toBeNull();
  });

  it('leaves the pod as its user wrote it, with a warning, when no term is left', () => {
    const outcome = lifted(gated({ affinity: required({ matchExpressions: [isIn(ZONE, 'eu-west-3b')] }) }), [spotA]);
    expect(outcome).toMatchObject({ terms: undefined, warning: expect.stringContaining('node affinity') });
  });

  it('does the same for a nodeSelector that says otherwise', () =>
    expect(lifted(gated({ nodeSelector: { [ZONE]: 'eu-west-3b' } }), [spotA])).toMatchObject({
      terms: undefined,
      warning: expect.stringContaining('nodeSelector'),
    }));
});

describe('the dialect of a cluster', () => {
  it.each([
    ['auto', {}, CAPACITY, ['spot'], ZONE],
    ['auto', { [CAPACITY]: 'spot' }, CAPACITY, ['spot'], ZONE],
    ['auto', { 'eks.amazonaws.com/capacityType': 'SPOT' }, 'eks.amazonaws.com/capacityType', ['SPOT'], ZONE],
    ['auto', { 'nerve.io/capacity-type': 'spot' }, 'nerve.io/capacity-type', ['spot'], ZONE],
    ['labels', { [CAPACITY]: 'spot' }, 'nerve.io/capacity-type', ['spot'], ZONE],
    ['auto', { 'topology.k8s.aws/zone-id': 'euw3-az1' }, CAPACITY, ['spot'], 'topology.k8s.aws/zone-id'],
  ] as const)('%s with nodes labelled %o pins by %s', (name, labels, key, values, zoneKey) => {
    const dialect = dialectOf(name, [node(labels)]);
    expect(dialect).toMatchObject({ capacityKey: key, zoneKey });
    expect(dialect.capacityValue.spot).toEqual(values);
  });

  it.each([
    [{ [CAPACITY]: 'spot' }, 'spot'],
    [{ [CAPACITY]: 'on-demand' }, 'on-demand'],
    [{ [CAPACITY]: 'reserved' }, 'on-demand'],
    [{ 'eks.amazonaws.com/capacityType': 'SPOT' }, 'spot'],
    [{ 'eks.amazonaws.com/capacityType': 'ON_DEMAND' }, 'on-demand'],
    [{}, 'on-demand'],
  ])('a node labelled %o is %s', (labels, capacityType) => expect(observeNode(node(labels)).capacityType).toBe(capacityType));

  it('knows a zone by its id where nodes tell it', () => {
    expect(observeNode(node()).zone).toBe('eu-west-3a');
    expect(observeNode(node({ 'topology.k8s.aws/zone-id': 'euw3-az1' })).zone).toBe('euw3-az1');
  });
});

describe('the next attempt of a bare pod', () => {
  const ask = {
    jobId: 'j-abc',
    attempt: 2,
    ranked: [spotB],
    handover: { previousAttempt: 1, waitSealedUntilMs: AT_MS + 120_000 },
    deadlineMs: AT_MS + 3_600_000,
    hookToken: 'fresh',
    nowMs: AT_MS,
  };
  const own = required({ matchExpressions: [isIn('pool', 'a')] });
  const kept = pod({
    metadata: {
      labels: { team: 'vision' },
      annotations: {
        [POD.deadline]: 'x',
        [POD.lastCheckpoint]: '{}',
        [POD.stopRequest]: 'move',
        [POD.ownAffinity]: JSON.stringify(own),
        mine: 'kept',
      },
    },
    spec: {
      nodeName: 'n1',
      restartPolicy: 'OnFailure',
      serviceAccountName: 'trainer',
      schedulingGates: [{ name: 'nerve.io/hold' }],
      affinity: required({ matchExpressions: [isIn('pool', 'a'), isIn(ZONE, 'eu-west-3a')] }),
      containers: [
        {
          name: 'main',
          image: 'train:1',
          env: [
            { name: 'NERVE_JOB_ID', value: 'j-abc' },
            { name: 'NERVE_HOOK_TOKEN', value: 'old' },
            { name: 'MINE', value: '1' },
          ],
        },
        { name: 'sidecar', image: 'proxy:1' },
      ],
    },
  });
  const made = attemptPod(kept, ask, karpenter).pod;

  it('differs in name, affinity, gate, environment and nerve.io metadata, and never restarts by itself', () => {
    expect(made.metadata).toMatchObject({ name: 'nerve-j-abc-a2', namespace: 'team', labels: { team: 'vision', 'nerve.io/job-id': 'j-abc' } });
    expect(made.spec).toMatchObject({ restartPolicy: 'Never', serviceAccountName: 'trainer' });
    expect(made.spec).not.toHaveProperty('nodeName');
    expect(made.spec).not.toHaveProperty('schedulingGates');
    expect(made.spec.containers.map(({ image }) => image)).toEqual(['train:1', 'proxy:1']);
  });

  it('carries nothing that was true of the attempt before', () => {
    expect(Object.keys(made.metadata.annotations ?? {}).toSorted()).toEqual(
      ['mine', POD.attempt, POD.deadline, POD.launchedAs, POD.ownAffinity].toSorted(),
    );
  });

  it('is pinned from what its user wrote, not on top of the last pin', () =>
    expect(made.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms).toEqual([
      { matchExpressions: [isIn('pool', 'a'), isIn(ZONE, 'eu-west-3b'), isIn(CAPACITY, 'spot'), isIn(TYPE, 'g6.xlarge')] },
    ]));

  it('has its own environment where the webhook gave one', () => {
    expect(Object.fromEntries((made.spec.containers[0]?.env ?? []).map(({ name, value }) => [name, value]))).toEqual({
      MINE: '1',
      NERVE_JOB_ID: 'j-abc',
      NERVE_ATTEMPT: '2',
      NERVE_DEADLINE: '2026-11-25T11:00:00Z',
      NERVE_HOOK_TOKEN: 'fresh',
      NERVE_PREVIOUS_ATTEMPT: '1',
      NERVE_WAIT_SEALED_UNTIL: '2026-11-25T10:02:00Z',
    });
    expect(made.spec.containers[1]?.env).toBeUndefined();
  });

  it('without a handover waits for nobody', () => {
    const env = attemptPod(kept, { ...ask, handover: null }, karpenter).pod.spec.containers[0]?.env ?? [];
    expect(env.map(({ name }) => name)).not.toContain('NERVE_PREVIOUS_ATTEMPT');
  });
});
