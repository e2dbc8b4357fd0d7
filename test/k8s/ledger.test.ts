// What the ledger makes of two watches that know nothing of each other.

import { describe, expect, it } from 'vitest';
import { Ledger } from '../../src/adapters/k8s/ledger.ts';
import { POD } from '../../src/engine/pod/names.ts';
import { launchedAsText } from '../../src/engine/pod/read.ts';
import type { Node } from '../../src/engine/pod/types.ts';
import { AT_MS, node, pod } from '../engine/pod/pods.ts';

const named = (uid: string): Node => ({ ...node(), metadata: { ...node().metadata, uid } });
const running = pod({ spec: { nodeName: 'n1' }, status: { phase: 'Running' } });

function ledgerWith(...steps: ((ledger: Ledger) => void)[]) {
  const ledger = new Ledger();
  for (const step of steps) step(ledger);
  return ledger.attemptsOf('j-abc')[0];
}

const bound = (l: Ledger): void => {
  l.nodeChanged(named('first'));
  l.podChanged(running);
};
const podGone = (l: Ledger): void => l.podGone(running, AT_MS);
const nodeGone = (l: Ledger): void => l.nodeGone(named('first'));
const newNode = (l: Ledger): void => l.nodeChanged(named('second'));
const asked = (found: Node | null) => (l: Ledger) => {
  for (const { uid } of l.unexplained('j-abc')) l.explained(uid, found);
};

describe('the ledger', () => {
  it.each<[string, readonly ((ledger: Ledger) => void)[], boolean]>([
    ['its pod lives', [bound], true],
    ['a user deleted it', [bound, podGone, asked(named('first'))], true],
    ['a user deleted it, and the node went later', [bound, podGone, asked(named('first')), nodeGone], true],
    ['the node went first', [bound, nodeGone, podGone], false],
    ['the node went first, and a new one bears its name', [bound, nodeGone, newNode, podGone], false],
    ['the node went unheard of', [bound, podGone, asked(null)], false],
    ['a new node bears its name, unheard of', [bound, podGone, asked(named('second'))], false],
  ])('has a node when %s: row %#', (_, steps, has) => expect(ledgerWith(...steps)?.node !== null).toBe(has));

  it('numbers pods of Jobs by their order, from the last number that is known', () => {
    const ledger = new Ledger();
    const asked3 = launchedAsText({ attempt: 3, zone: 'a', instanceType: 'b', capacityType: 'spot', priceUsdPerHour: null, atMs: AT_MS });
    ledger.podChanged(pod({ metadata: { uid: 'a', name: 'a', annotations: { [POD.attempt]: '1764064800', [POD.launchedAs]: asked3 } } }));
    ledger.podChanged(
      pod({ metadata: { uid: 'b', name: 'b', creationTimestamp: '2026-11-25T10:01:00Z', annotations: { [POD.attempt]: '1764064860' } } }),
    );
    expect(ledger.attemptsOf('j-abc').map(({ attempt }) => attempt)).toEqual([3, 4]);
  });

  it('believes a label only where the job’s record lives', () => {
    const ledger = new Ledger();
    bound(ledger);
    ledger.podChanged(
      pod({ metadata: { uid: 'x', name: 'x', namespace: 'attacker', annotations: { [POD.attempt]: '9' } }, status: { phase: 'Running' } }),
    );
    ledger.bind('j-abc', 'team');
    expect(ledger.attemptsOf('j-abc').map(({ attempt }) => attempt)).toEqual([1]);
    expect(ledger.podsOf('j-abc').map(({ metadata }) => metadata.namespace)).toEqual(['team']);
  });

  it('believes the older of two namespaces where no record is known, and no label that the environment does not confirm', () => {
    const ledger = new Ledger();
    ledger.podChanged(
      pod({ metadata: { uid: 'x', namespace: 'attacker', creationTimestamp: '2026-11-25T10:01:00Z' }, status: { phase: 'Running' } }),
    );
    ledger.podChanged(
      pod({ metadata: { uid: 'y', namespace: 'attacker', creationTimestamp: '2026-11-25T09:00:00Z' }, spec: { containers: [{ name: 'main' }] } }),
    );
    bound(ledger);
    expect(ledger.podsOf('j-abc').map(({ metadata }) => metadata.uid)).toEqual(['u1']);
  });

  it('shows neither gated pods nor history', () => {
    const ledger = new Ledger();
    ledger.podChanged(pod({ metadata: { uid: 'a' }, spec: { schedulingGates: [{ name: 'nerve.io/hold' }] } }));
    ledger.podChanged(pod({ metadata: { uid: 'b', annotations: { [POD.finished]: 'x' } }, status: { phase: 'Succeeded' } }));
    expect(ledger.attemptsOf('j-abc')).toEqual([]);
  });

  it('forgets what ended when it is told to, and not before', () => {
    const ledger = new Ledger();
    bound(ledger);
    podGone(ledger);
    expect(ledger.attemptsOf('j-abc')).toHaveLength(1);
    ledger.forget('j-abc');
    expect(ledger.attemptsOf('j-abc')).toEqual([]);
    expect(ledger.jobs()).toEqual([]);
  });
});
