import { describe, expect, it } from 'vitest';
import { ENV, HOLD_GATE, JOB_ID_LABEL, LABELS, NODE, POD, TIER_LABEL } from '../../src/engine/pod/names.ts';
import type { Node } from '../../src/engine/pod/types.ts';

/** What the API server accepts as a key of labels and annotations. */
const QUALIFIED = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\/[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/;

describe('the names on the wire', () => {
  const ours = [TIER_LABEL, JOB_ID_LABEL, HOLD_GATE, ...Object.values(POD), ...Object.values(NODE)];

  it('are each used for one thing', () => {
    expect(new Set(ours).size).toBe(ours.length);
    expect(new Set(Object.values(ENV)).size).toBe(Object.keys(ENV).length);
  });

  it('are such as Kubernetes takes, and ours carry our prefix', () => {
    const node: Node = { metadata: { annotations: Object.fromEntries([...ours, ...Object.values(LABELS)].map((name) => [name, ''])) } };
    for (const name of Object.keys(node.metadata.annotations ?? {})) expect(name).toMatch(QUALIFIED);
    for (const name of ours) expect(name).toMatch(/^nerve\.io\//);
    for (const name of Object.values(ENV)) expect(name).toMatch(/^NERVE_[A-Z_]+$/);
  });
});
