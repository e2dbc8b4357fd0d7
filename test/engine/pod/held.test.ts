import { expect, it } from 'vitest';
import { POD } from '../../../src/engine/pod/names.ts';
import { heldLatestStart } from '../../../src/engine/pod/status.ts';
import { pod } from './pods.ts';

const with_ = (annotations: Readonly<Record<string, string>>) => pod({ metadata: { annotations } });
const PLAN = JSON.stringify({ latestStart: '2026-03-02T18:00:00Z' });
const PLANNED = Date.UTC(2026, 2, 2, 18);

it('reads of a held job when it must start: from its plan, else from what its user asked', () => {
  expect(heldLatestStart(with_({ [POD.plan]: PLAN }), true)).toBe(PLANNED);
  expect(heldLatestStart(with_({ [POD.plan]: PLAN, [POD.state]: 'held' }), false)).toBe(PLANNED);
  const asked = { [POD.deadline]: '2026-03-02T20:00:00Z', [POD.expectedDuration]: '30m' };
  expect(heldLatestStart(with_(asked), true)).toBe(PLANNED + 90 * 60_000);
});

it('takes a gated pod of which nobody knows anything for one that must start now', () => {
  expect(heldLatestStart(with_({}), true)).toBe(0);
});

it('says nothing of a job that runs', () => {
  expect(heldLatestStart(with_({ [POD.plan]: PLAN, [POD.state]: 'running' }), false)).toBeNull();
});
