// The contract of the InstanceMetadata port: what a machine says about its own end. `instance-metadata.test.ts` runs it on the
// simulation's node and on the reader of EC2's IMDSv2 against the endpoint of a local node.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InstanceMetadata } from '../../src/ports.ts';

export interface InstanceMetadataRig {
  readonly metadata: InstanceMetadata;
  /** The cloud announces that it takes the machine at that real instant. */
  announce(endsAtRealMs: number): void;
  recommend(noticeRealMs: number): void;
  close(): Promise<void>;
}

const ENDS = Date.parse('2026-11-24T18:02:00Z');

export function instanceMetadataContract(kind: string, make: () => Promise<InstanceMetadataRig>): void {
  describe(`instance metadata: ${kind}`, () => {
    let rig: InstanceMetadataRig;
    beforeEach(async () => {
      rig = await make();
    });
    afterEach(() => rig.close());

    it('is null while there is nothing to say, however often it is asked', async () => {
      for (let i = 0; i < 3; i++) {
        expect(await rig.metadata.interruption()).toBeNull();
        expect(await rig.metadata.rebalance()).toBeNull();
      }
    });

    it('has the interruption with its action and its real instant, to the second, from when it is announced', async () => {
      expect(await rig.metadata.interruption()).toBeNull();
      rig.announce(ENDS);
      for (let i = 0; i < 2; i++) expect(await rig.metadata.interruption()).toEqual({ action: 'terminate', endsAtRealMs: ENDS });
      expect(await rig.metadata.rebalance()).toBeNull();
    });

    it('has the rebalance recommendation, which is no interruption', async () => {
      rig.recommend(ENDS - 120_000);
      expect(await rig.metadata.rebalance()).toEqual({ noticeRealMs: ENDS - 120_000 });
      expect(await rig.metadata.interruption()).toBeNull();
    });

    it('has both at once', async () => {
      rig.recommend(ENDS - 120_000);
      rig.announce(ENDS);
      const both = await Promise.all([rig.metadata.interruption(), rig.metadata.rebalance()]);
      expect(both).toEqual([{ action: 'terminate', endsAtRealMs: ENDS }, { noticeRealMs: ENDS - 120_000 }]);
    });
  });
}
