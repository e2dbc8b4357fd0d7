// The contract of the Records port: what any store of job records promises. `records.test.ts` runs it on memory and on Redis.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobId } from '../../src/engine/job.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import { type JobReport, report } from '../../src/engine/report.ts';
import type { Records } from '../../src/ports.ts';
import { launched, MINUTE, NOW, record, spec } from '../support/build.ts';

export interface RecordsRig {
  readonly records: Records;
  /** The same records, as another process sees them. */
  readonly elsewhere: Records;
  /** The report that `close` kept. */
  kept(jobId: JobId): Promise<JobReport | null>;
  close(): Promise<void>;
}

const submitted = (id: JobId): JobEvent => ({ type: 'submitted', atMs: NOW, spec: spec({ id }), latestStartMs: NOW, simulated: [] });
const finished: JobEvent = {
  type: 'finished',
  atMs: NOW + MINUTE,
  result: 'cancelled',
  reason: 'user-cancelled',
  late: false,
  usefulWorkMs: 0,
  counterfactual: null,
  finalCheckpoint: null,
};
const reportOf = (id: JobId): JobReport => report(record([finished], spec({ id })));

export function recordsContract(store: string, make: () => Promise<RecordsRig>): void {
  describe(`records in ${store}`, () => {
    let rig: RecordsRig;
    beforeEach(async () => {
      rig = await make();
    });
    afterEach(() => rig.close());

    describe('read', () => {
      it('answers the whole record: every event, in order, and the version to name next', async () => {
        const { records } = rig;
        expect(await records.append('j-1', 0, [submitted('j-1')])).toBe(1);
        expect(await records.append('j-1', 1, [launched(1), { type: 'paused', atMs: NOW }])).toBe(2);
        expect(await records.read('j-1')).toEqual({
          jobId: 'j-1',
          version: 2,
          events: [submitted('j-1'), launched(1), { type: 'paused', atMs: NOW }],
        });
      });

      it('answers null for a job that never was', async () => {
        await rig.records.append('j-1', 0, [submitted('j-1')]);
        expect(await rig.records.read('j-2')).toBeNull();
      });

      it('sees what another process wrote, at once', async () => {
        await rig.elsewhere.append('j-1', 0, [submitted('j-1')]);
        expect((await rig.records.read('j-1'))?.version).toBe(1);
      });

      it('never shows time going backwards, whatever clock wrote it', async () => {
        const { records } = rig;
        await records.append('j-1', 0, [submitted('j-1')]);
        await records.append('j-1', 1, [launched(1, 'euw3-az2', NOW + MINUTE)]);
        await records.append('j-1', 2, [{ type: 'paused', atMs: NOW - MINUTE }]);
        expect((await records.read('j-1'))?.events.map((e) => e.atMs)).toEqual([NOW, NOW + MINUTE, NOW + MINUTE]);
      });

      it('does not change when the caller changes what it was given', async () => {
        const events = [submitted('j-1')];
        await rig.records.append('j-1', 0, events);
        events.push(finished);
        expect((await rig.records.read('j-1'))?.events).toEqual([submitted('j-1')]);
      });
    });

    describe('append', () => {
      it('after version 0 creates the record, once', async () => {
        expect(await rig.records.append('j-1', 0, [submitted('j-1')])).toBe(1);
        expect(await rig.elsewhere.append('j-1', 0, [submitted('j-1')])).toBe('conflict');
        expect((await rig.records.read('j-1'))?.version).toBe(1);
      });

      it('answers conflict to the second of two writers that read the same version, and writes nothing of it', async () => {
        await rig.records.append('j-1', 0, [submitted('j-1')]);
        const answers = await Promise.all([
          rig.records.append('j-1', 1, [launched(1)]),
          rig.elsewhere.append('j-1', 1, [launched(1, 'euw3-az3'), { type: 'paused', atMs: NOW }]),
        ]);
        expect(new Set(answers)).toEqual(new Set([2, 'conflict']));
        const after = await rig.records.read('j-1');
        expect(after?.version).toBe(2);
        expect(after?.events).toHaveLength(answers[0] === 2 ? 2 : 3);
      });

      it('answers conflict to a version that the record is past, and to one that it has not reached', async () => {
        const { records } = rig;
        await records.append('j-1', 0, [submitted('j-1')]);
        await records.append('j-1', 1, [launched(1)]);
        expect(await records.append('j-1', 1, [finished])).toBe('conflict');
        expect(await records.append('j-1', 3, [finished])).toBe('conflict');
        expect(await records.append('j-2', 1, [finished])).toBe('conflict');
        expect(await records.read('j-2')).toBeNull();
        expect((await records.read('j-1'))?.events).toHaveLength(2);
      });

      it('of nothing writes nothing', async () => {
        const { records } = rig;
        await records.append('j-1', 0, [submitted('j-1')]);
        expect(await records.append('j-1', 1, [])).toBe(1);
        expect((await records.read('j-1'))?.version).toBe(1);
        expect(await records.append('j-2', 0, [])).toBe(0);
        expect(await records.live()).toEqual(['j-1']);
      });

      it('to one job is nothing to another', async () => {
        await Promise.all(['j-1', 'j-2', 'j-3'].map((id) => rig.records.append(id, 0, [submitted(id)])));
        await rig.records.append('j-2', 1, [launched(1)]);
        expect(await Promise.all(['j-1', 'j-2', 'j-3'].map(async (id) => (await rig.records.read(id))?.version))).toEqual([1, 2, 1]);
      });
    });

    describe('live', () => {
      it('names every job that was created and not closed, once', async () => {
        const { records } = rig;
        for (const id of ['j-1', 'j-2']) await records.append(id, 0, [submitted(id)]);
        await records.append('j-1', 1, [launched(1)]);
        expect([...(await rig.elsewhere.live())].toSorted()).toEqual(['j-1', 'j-2']);
      });

      it('still names a job that has finished but is not put away', async () => {
        await rig.records.append('j-1', 0, [submitted('j-1')]);
        await rig.records.append('j-1', 1, [finished]);
        expect(await rig.records.live()).toEqual(['j-1']);
      });

      it('is empty at first', async () => {
        expect(await rig.records.live()).toEqual([]);
      });
    });

    describe('close', () => {
      it('keeps the report and takes the job out of live; the record can still be read', async () => {
        const { records } = rig;
        for (const id of ['j-1', 'j-2']) await records.append(id, 0, [submitted(id)]);
        await records.append('j-1', 1, [finished]);
        await records.close('j-1', reportOf('j-1'));
        expect(await records.live()).toEqual(['j-2']);
        expect(await rig.kept('j-1')).toEqual(reportOf('j-1'));
        expect((await records.read('j-1'))?.events.at(-1)).toEqual(finished);
      });

      it('twice is as good as once', async () => {
        const { records } = rig;
        await records.append('j-1', 0, [submitted('j-1')]);
        await records.append('j-1', 1, [finished]);
        await records.close('j-1', reportOf('j-1'));
        await rig.elsewhere.close('j-1', reportOf('j-1'));
        expect(await records.live()).toEqual([]);
        expect(await rig.kept('j-1')).toEqual(reportOf('j-1'));
      });

      it('does not bring the job back when a late writer appends', async () => {
        const { records } = rig;
        await records.append('j-1', 0, [submitted('j-1')]);
        await records.append('j-1', 1, [finished]);
        await records.close('j-1', reportOf('j-1'));
        expect(await rig.elsewhere.append('j-1', 0, [submitted('j-1')])).toBe('conflict');
        expect(await records.live()).toEqual([]);
      });
    });
  });
}
