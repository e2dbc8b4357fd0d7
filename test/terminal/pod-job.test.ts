import { describe, expect, it, test } from 'vitest';
import { rfc3339 } from '../../src/engine/pod/read.ts';
import type { Pod } from '../../src/engine/pod/types.ts';
import { jobOf, jobsOf, type PodJob } from '../../src/terminal/pod-job.ts';
import { podExplanation, podLines, podPlanSentence, podSentence } from '../../src/terminal/pod-words.ts';
import { exitOf } from '../../src/terminal/wait-pods.ts';

const nowMs = Date.parse('2026-11-25T12:00:00Z');
const plan = {
  startMs: nowMs + 7_200_000,
  latestStartMs: nowMs + 36_000_000,
  zone: 'euw3-az2',
  instanceType: 'g6.xlarge',
  capacityType: 'spot',
  expectedCostUsd: 0.7,
  expectedCarbonGrams: 20,
  costNowUsd: 1.1,
};

/** As the worker writes it. */
const { startMs, latestStartMs, ...rest } = plan;
const planText = JSON.stringify({ ...rest, start: rfc3339(startMs), latestStart: rfc3339(latestStartMs) });

function pod(name: string, job: string, annotations: Record<string, string>, more: Partial<Pod> = {}): Pod {
  return {
    metadata: { name, labels: { 'nerve.io/job-id': job }, annotations, creationTimestamp: '2026-11-25T10:00:00Z' },
    spec: { containers: [] },
    ...more,
  };
}

function job(pods: readonly Pod[]): PodJob {
  const found = jobOf(pods);
  if (found === null) throw new Error('no job');
  return found;
}

describe('a job of pods', () => {
  it('is what stands on them', () => {
    const one = pod('p', 'j-1', {
      'nerve.io/state': 'held',
      'nerve.io/reason': 'cheaper-window-ahead',
      'nerve.io/deadline': '2026-11-26T08:00:00Z',
      'nerve.io/plan': planText,
      'nerve.io/moves': '1',
      'nerve.io/cost-usd': '0.42',
      'nerve.io/progress': '{"step":40,"totalSteps":100}',
      'nerve.io/last-checkpoint': '{"id":"0000000003","step":38,"bytes":1000,"sealedAt":"2026-11-25T11:58:00Z"}',
    });
    expect(job([one])).toMatchObject({
      jobId: 'j-1',
      phase: 'held',
      acknowledged: true,
      deadlineMs: Date.parse('2026-11-26T08:00:00Z'),
      plan,
      moves: 1,
      costUsd: 0.42,
      progress: { step: 40, totalSteps: 100 },
      lastCheckpoint: { id: '0000000003', step: 38, bytes: 1000, sealedAtMs: Date.parse('2026-11-25T11:58:00Z') },
    });
  });

  it('takes what its newest pod does not say yet from the one before', () => {
    const before = pod('a1', 'j-1', { 'nerve.io/attempt': '1', 'nerve.io/state': 'evacuating', 'nerve.io/progress': '{"step":40,"totalSteps":100}' });
    const after = pod('a2', 'j-1', { 'nerve.io/attempt': '2' });
    expect(job([after, before])).toMatchObject({ pod: 'a2', phase: 'evacuating', progress: { step: 40 }, attempts: [{ pod: 'a1' }, { pod: 'a2' }] });
  });

  it('counts what cannot be read as not there', () => {
    expect(
      job([pod('p', 'j-1', { 'nerve.io/plan': '{oops', 'nerve.io/deadline': 'soon', 'nerve.io/moves': 'x', 'nerve.io/progress': '[1]' })]),
    ).toMatchObject({ plan: null, deadlineMs: null, moves: 0, progress: null });
  });

  test.each<[string, Partial<Pod>, string]>([
    ['its gate', { spec: { containers: [], schedulingGates: [{ name: 'nerve.io/hold' }] } }, 'held'],
    ['a running pod', { status: { phase: 'Running' } }, 'running'],
    ['a pod that succeeded', { status: { phase: 'Succeeded' } }, 'succeeded'],
    ['a pod that failed: there may be a retry', { status: { phase: 'Failed' } }, 'starting'],
  ])('without a word of the worker is judged by %s', (_, more, phase) => {
    expect(job([pod('p', 'j-1', {}, more)])).toMatchObject({ phase, acknowledged: false });
  });

  it('runs once its container is past any start, also where no hook ever answers', () => {
    const from = (startedAt: string): Partial<Pod> => ({
      status: { phase: 'Running', containerStatuses: [{ name: 'c', state: { running: { startedAt } } }] },
    });
    const starting = { 'nerve.io/state': 'starting' };
    const silent = jobOf([pod('p', 'j-1', starting, from('2026-11-25T11:50:00Z'))], nowMs);
    expect(silent).toMatchObject({ phase: 'running', acknowledged: true });
    expect(silent === null ? '' : podSentence(silent, nowMs)).toBe('running; it reports no progress');
    expect(jobOf([pod('p', 'j-1', starting, from('2026-11-25T11:59:00Z'))], nowMs)).toMatchObject({ phase: 'starting' });
    const loading = { ...starting, 'nerve.io/progress': '{"step":0,"totalSteps":null}' };
    expect(jobOf([pod('p', 'j-1', loading, from('2026-11-25T11:50:00Z'))], nowMs)).toMatchObject({ phase: 'starting' });
  });

  it('is listed by deadline, ended ones last', () => {
    const at = (name: string, id: string, hours: number, state: string) =>
      pod(name, id, { 'nerve.io/state': state, 'nerve.io/deadline': new Date(nowMs + hours * 3_600_000).toISOString() });
    const pods = [
      at('a', 'j-a', 1, 'succeeded'),
      at('b', 'j-b', 9, 'held'),
      at('c', 'j-c', 2, 'running'),
      { ...pod('x', '', {}), metadata: { name: 'x' } },
    ];
    expect(jobsOf(pods).map(({ jobId }) => jobId)).toEqual(['j-c', 'j-b', 'j-a']);
  });
});

describe('its words', () => {
  const ended = (finishedAt: string): Partial<Pod> => ({
    status: { phase: 'Succeeded', containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 0, finishedAt } } }] },
  });
  const done = (finishedAt: string) =>
    job([pod('p', 'j-1', { 'nerve.io/state': 'succeeded', 'nerve.io/deadline': '2026-11-25T11:00:00Z' }, ended(finishedAt))]);

  it('say how it stands to its deadline, and the exit code agrees', () => {
    expect(podSentence(done('2026-11-25T10:30:00Z'), nowMs)).toMatch(/30 min before its deadline/);
    expect(exitOf(done('2026-11-25T10:30:00Z'))).toBe(0);
    expect(podSentence(done('2026-11-25T11:30:00Z'), nowMs)).toMatch(/30 min after its deadline/);
    expect(exitOf(done('2026-11-25T11:30:00Z'))).toBe(104);
    expect(exitOf({ phase: 'failed', endedAtMs: null, deadlineMs: null })).toBe(100);
    expect(exitOf({ phase: 'cancelled', endedAtMs: null, deadlineMs: null })).toBe(103);
  });

  it('say that nobody has answered, and not more than is known', () => {
    const silent = job([pod('p', 'j-1', {}, { spec: { containers: [], schedulingGates: [{ name: 'nerve.io/hold' }] } })]);
    expect(podSentence(silent, nowMs)).toMatch(/^held.*Nerve has not said anything/);
    expect(podExplanation(silent, nowMs).sentence).toMatch(/has not said anything/);
  });

  it('say that it is being cancelled from the moment that was asked', () => {
    const asked = { 'nerve.io/state': 'running', 'nerve.io/request': 'cancel#abc' };
    expect(podSentence(job([pod('p', 'j-1', asked)]), nowMs)).toMatch(/^being cancelled/);
    expect(podSentence(job([pod('p', 'j-1', { ...asked, 'nerve.io/state': 'cancelled' })]), nowMs)).toBe('cancelled');
  });

  it('explain with the sentence of the reason and the numbers of the plan', () => {
    const held = job([pod('p', 'j-1', { 'nerve.io/state': 'held', 'nerve.io/reason': 'greener-window-ahead', 'nerve.io/plan': planText })]);
    const { sentence, numbers } = podExplanation(held, nowMs);
    expect(sentence).toMatch(/greener window/);
    expect(numbers.map(({ name }) => name)).toEqual(['latest start (on demand)', 'planned start', 'starting now', 'moves so far']);
    expect(podPlanSentence(plan, nowMs)).toMatch(
      /spot g6\.xlarge in euw3-az2, about \$0\.700 instead of \$1\.100 when started now and 20\.0 g CO2e; latest start/,
    );
  });
});

describe('a pod that was let start and does not run', () => {
  const message = 'Back-off pulling image "ghcr.io/acme/trian:1"';
  const waiting = (reason: string, text?: string) => ({
    name: 'main',
    state: { waiting: { reason, ...(text === undefined ? {} : { message: text }) } },
  });
  const starting = (status: Pod['status'], more: Partial<Pod> = {}): PodJob =>
    job([
      pod(
        'p',
        'j-1',
        { 'nerve.io/state': 'starting' },
        { spec: { containers: [], nodeName: 'n1' }, status: { phase: 'Pending', ...status }, ...more },
      ),
    ]);

  it.each<[string, Pod['status'], string | null]>([
    ['its image cannot be pulled', { containerStatuses: [waiting('ContainerCreating'), waiting('ImagePullBackOff', message)] }, 'ImagePullBackOff'],
    [
      'an init container hangs',
      { initContainerStatuses: [waiting('CreateContainerConfigError', 'secret "hf" not found')] },
      'CreateContainerConfigError',
    ],
    ['its machine is still at work', { containerStatuses: [waiting('ContainerCreating')] }, 'ContainerCreating'],
    [
      'there is no machine',
      { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }] },
      'Unschedulable',
    ],
    ['nobody says why', {}, null],
  ])('says so where %s', (_, status, reason) => {
    const told = starting(status);
    expect(told.attempts[0]?.waits?.reason ?? null).toBe(reason);
    expect(podSentence(told, nowMs)).toBe(reason === null ? 'starting' : `starting: ${reason}`);
  });

  it('quotes the cluster’s message in `status` and `explain`', () => {
    const told = starting({ containerStatuses: [waiting('ImagePullBackOff', message)] });
    expect(podLines(told, nowMs)).toContain(`pod p  pending on n1: ImagePullBackOff (${message})`);
    expect(podExplanation(told, nowMs).numbers).toContainEqual({ name: 'does not run yet', value: `ImagePullBackOff (${message})` });
  });

  it('is not what a held pod is: its gate keeps it', () => {
    const gated = { spec: { containers: [], schedulingGates: [{ name: 'nerve.io/hold' }] } };
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }];
    expect(starting({ conditions }, gated).attempts[0]?.waits).toBeNull();
  });
});
