// DESIGN section 2.8, "who ended this pod?", from pod and node objects to the verdict: a row each.

import { slimPod } from '../../../src/adapters/k8s/slim.ts';
import { describe, expect, it } from 'vitest';
import { POD } from '../../../src/engine/pod/names.ts';
import { noticeText, observeNode } from '../../../src/engine/pod/node.ts';
import { observePod } from '../../../src/engine/pod/observe.ts';
import { launchedAsText } from '../../../src/engine/pod/read.ts';
import type { Node, Pod } from '../../../src/engine/pod/types.ts';
import { attemptAnnotations } from '../../../src/engine/pod/written.ts';
import type { AttemptState } from '../../../src/engine/state.ts';
import { whoEnded } from '../../../src/engine/who-ended.ts';
import { AT, AT_MS, node, pod } from './pods.ts';

const LATER = '2026-11-25T11:00:00Z';
const notice = noticeText({ action: 'terminate', noticedAtMs: AT_MS, endsAtMs: AT_MS + 120_000 });
const calm = node({ 'karpenter.sh/capacity-type': 'spot' });
const noticed = node({ 'karpenter.sh/capacity-type': 'spot' }, { 'nerve.io/interruption': notice });
const ended = (exitCode: number) => ({
  phase: 'Failed',
  containerStatuses: [{ name: 'main', state: { terminated: { exitCode, finishedAt: LATER } } }],
});
const disrupted = (reason: string) => [{ type: 'DisruptionTarget', status: 'True', reason }];
const sealed = attemptAnnotations({ lastCheckpoint: { id: '7', step: 9, bytes: 1, durationMs: 1, sealedAtMs: AT_MS + 3_599_000, final: true } });

const resumed = attemptAnnotations({ resumed: { step: 0, epoch: 1, checkpointId: null, atMs: AT_MS + 60_000 } });

interface Row {
  readonly pod: Parameters<typeof pod>[0];
  readonly node?: Node | null;
  /** The object is gone, and was last seen as it is here. */
  readonly gone?: true;
  readonly unheard?: true;
  readonly stopped?: true;
}

const attempt: AttemptState = {
  attempt: 1,
  zone: 'eu-west-3a',
  instanceType: 'g6.xlarge',
  capacityType: 'spot',
  priceUsdPerHour: null,
  launchedAtMs: AT_MS,
  reason: 'cheapest-now',
  handover: null,
  resumed: null,
  noticed: null,
  stopRequested: null,
  lastCheckpoint: null,
  ended: null,
};

function see(row: Row) {
  const seen: Pod = pod({ ...row.pod, spec: { nodeName: 'n1', ...row.pod?.spec } });
  const around = row.node === undefined ? calm : row.node;
  return observePod(seen, {
    jobId: 'j-abc',
    attempt: 1,
    node: around === null ? null : observeNode(around),
    goneAtMs: row.gone === true ? AT_MS + 3_600_000 : null,
    unheard: row.unheard === true,
  });
}

describe('who ended this pod', () => {
  it.each<[string, Row, string | null]>([
    ['it runs', { pod: { status: { phase: 'Running' } } }, null],
    ['it is pending', { pod: {} }, null],
    ['it succeeded', { pod: { status: { phase: 'Succeeded' } } }, 'succeeded'],
    ['it succeeded on a node with a notice', { pod: { status: { phase: 'Succeeded' } }, node: noticed }, 'succeeded'],
    [
      'every container ended with 0 under restartPolicy Always',
      {
        pod: {
          spec: { restartPolicy: 'Always' },
          status: { phase: 'Running', containerStatuses: [{ name: 'main', lastState: { terminated: { exitCode: 0, finishedAt: LATER } } }] },
        },
      },
      'succeeded',
    ],
    [
      'a container crashed under restartPolicy Always',
      {
        pod: {
          spec: { restartPolicy: 'Always' },
          status: { phase: 'Running', containerStatuses: [{ name: 'main', lastState: { terminated: { exitCode: 1 } } }] },
        },
      },
      null,
    ],
    ['it failed by itself', { pod: { status: ended(1) } }, 'failed'],
    ['evicted: EvictionByEvictionAPI', { pod: { status: { ...ended(143), conditions: disrupted('EvictionByEvictionAPI') } } }, 'interrupted'],
    ['node gone: DeletionByPodGC', { pod: { status: { ...ended(137), conditions: disrupted('DeletionByPodGC') } } }, 'interrupted'],
    ['failed while its node has a notice', { pod: { status: ended(1) }, node: noticed }, 'interrupted'],
    ['failed while its node is NotReady', { pod: { status: ended(1) }, node: node({}, {}, 'Unknown') }, 'interrupted'],
    ['failed, and the node object is gone', { pod: { status: ended(1) }, node: null }, 'interrupted'],
    ['ended with 75 unasked, and never spoke of checkpoints: that is its own failure', { pod: { status: ended(75) } }, 'failed'],
    ['ended with 75 unasked, all sealed: it asks to be started again', { pod: { status: ended(75), metadata: { annotations: sealed } } }, 'stopped'],
    [
      'ended with 75 unasked, sealed meanwhile for all that is known: its hook had answered',
      { pod: { status: ended(75), metadata: { annotations: resumed } } },
      'stopped',
    ],
    ['ended with 75 while its node has a notice', { pod: { status: ended(75) }, node: noticed }, 'interrupted'],
    ['evicted, and ended with 75', { pod: { status: { ...ended(75), conditions: disrupted('EvictionByEvictionAPI') } } }, 'interrupted'],
    ['ended with 75 when a drain deleted it', { pod: { metadata: { deletionTimestamp: LATER }, status: ended(75) } }, 'interrupted'],
    ['ended with 143 and a fresh seal', { pod: { status: ended(143), metadata: { annotations: sealed } } }, 'interrupted'],
    ['ended with 143 without a seal', { pod: { status: ended(143) } }, 'failed'],
    ['deleted by a user while it ran', { pod: { metadata: { deletionTimestamp: LATER }, status: ended(143) } }, 'cancelled'],
    ['deleted by a user, and gone without a word', { pod: { status: { phase: 'Running' } }, gone: true }, 'cancelled'],
    [
      'deleted by Nerve after it asked it to stop',
      { pod: { metadata: { deletionTimestamp: LATER, annotations: { [POD.deletedBy]: 'nerve' } }, status: ended(143) }, stopped: true },
      'stopped',
    ],
    [
      'deleted by Nerve, never placed',
      { pod: { metadata: { annotations: { [POD.deletedBy]: 'nerve' } }, spec: { nodeName: undefined as never } }, gone: true },
      'not-placed',
    ],
    ['deleted by a user before it was placed', { pod: { spec: { nodeName: undefined as never } }, gone: true }, 'cancelled'],
    ['gone unheard, and never seen placed', { pod: { spec: { nodeName: undefined as never } }, gone: true, unheard: true }, 'not-placed'],
    ['gone unheard, and its node is there', { pod: { status: { phase: 'Running' } }, gone: true, unheard: true }, 'cancelled'],
    ['gone with its node', { pod: { status: { phase: 'Running' } }, node: null, gone: true }, 'interrupted'],
  ])('%s', (_, row, cause) => {
    const stopRequested = row.stopped === true ? { atMs: AT_MS, request: 'move' as const, reason: 'cheaper-elsewhere' as const } : null;
    expect(whoEnded({ ...attempt, stopRequested }, see(row))?.cause ?? null).toBe(cause);
  });
});

describe('an attempt as observed', () => {
  it('is where its node is, and before that where it was asked for', () => {
    const asked = {
      attempt: 3,
      zone: 'eu-west-3c',
      instanceType: 'g6.xlarge',
      capacityType: 'spot' as const,
      priceUsdPerHour: 0.4,
      atMs: AT_MS + 60_000,
    };
    const metadata = { annotations: { [POD.launchedAs]: launchedAsText(asked) } };
    expect(see({ pod: { metadata } }).zone).toBe('eu-west-3a');
    const waiting = see({
      pod: {
        metadata,
        spec: { nodeName: undefined as never },
        status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime: AT }] },
      },
      node: null,
    });
    expect(waiting).toMatchObject({ zone: 'eu-west-3c', capacityType: 'spot', priceUsdPerHour: 0.4, placedAtMs: null });
    // Held before that: it is not unschedulable for longer than it was wanted.
    expect(waiting.unschedulableSinceMs).toBe(AT_MS + 60_000);
  });

  it('runs as soon as one container does, also an init container: that is what the cluster calls Pending', () => {
    const waiting = { name: 'side', state: { waiting: { reason: 'ImagePullBackOff' } } };
    const works = { name: 'main', state: { running: { startedAt: LATER } } };
    const phaseOf = (status: Pod['status']) => see({ pod: { status: { phase: 'Pending', ...status } } }).phase;
    expect(phaseOf({ containerStatuses: [waiting] })).toBe('pending');
    expect(phaseOf({ containerStatuses: [waiting, works] })).toBe('running');
    const fetching = slimPod(pod({ status: { phase: 'Pending', initContainerStatuses: [works], containerStatuses: [waiting] } }));
    expect(phaseOf(fetching.status)).toBe('running');
  });

  it('is no deletion of Nerve’s that was announced and did not come to pass', () => {
    const metadata = { annotations: { [POD.deletedBy]: 'nerve' } };
    expect(see({ pod: { metadata, status: ended(1) } }).deletedByNerve).toBe(false);
    expect(see({ pod: { metadata: { ...metadata, deletionTimestamp: LATER }, status: ended(1) } }).deletedByNerve).toBe(true);
  });

  it('carries back what the agent wrote', () => {
    const written = {
      progress: { step: 5, totalSteps: 10, remainingMs: 1000, atMs: AT_MS },
      resumed: { step: 2, epoch: 4, checkpointId: '3', atMs: AT_MS + 1 },
      lastCheckpoint: { id: '4', step: 5, bytes: 10, durationMs: 7, sealedAtMs: AT_MS + 2, final: false },
    };
    expect(see({ pod: { metadata: { annotations: attemptAnnotations(written) } } })).toMatchObject(written);
  });

  it.each([POD.progress, POD.resumed, POD.lastCheckpoint, POD.launchedAs])('takes an unreadable %s for none', (name) => {
    for (const value of ['', '{', '[]', '"x"', '{"step":"1"}', 'null']) {
      expect(() => see({ pod: { metadata: { annotations: { [name]: value } } } })).not.toThrow();
      expect(see({ pod: { metadata: { annotations: { [name]: value } } } })).toMatchObject({ progress: null, resumed: null, lastCheckpoint: null });
    }
  });
});
