import { expect, it } from 'vitest';
import { POD } from '../../../src/engine/pod/names.ts';
import { shownState } from '../../../src/engine/pod/shown.ts';
import type { Pod } from '../../../src/engine/pod/types.ts';

const NOW = Date.parse('2026-11-25T12:00:00Z');
const pod = (annotations: Record<string, string>, startedAt: string | null = '2026-11-25T11:00:00Z'): Pod => ({
  metadata: { annotations },
  spec: { containers: [] },
  status: { phase: 'Running', containerStatuses: startedAt === null ? [] : [{ name: 'c', state: { running: { startedAt } } }] },
});
const STARTING = { [POD.state]: 'starting' };

it.each<[string, Pod, string | null]>([
  ['a program whose hook never answers: running, once it is past any start', pod(STARTING), 'running'],
  ['one that has only just begun', pod(STARTING, '2026-11-25T11:59:00Z'), 'starting'],
  ['one whose container waits', pod(STARTING, null), 'starting'],
  ['one whose hook says that it loads', pod({ ...STARTING, [POD.progress]: '{"step":0}' }), 'starting'],
  ['a held one', pod({ [POD.state]: 'held' }), 'held'],
  ['one of which nobody has said anything', pod({}), null],
])('the gauge of jobs counts %s', (_, of, state) => {
  expect(shownState(of, NOW)).toBe(state);
});
