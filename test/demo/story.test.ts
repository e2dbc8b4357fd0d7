import { describe, expect, it } from 'vitest';
import { closing } from '../../src/demo/closing.ts';
import { type DemoResult, demoResult } from '../../src/demo/result.ts';
import { sparkline } from '../../src/demo/sparkline.ts';
import { tell } from '../../src/demo/story.ts';
import type { JobEvent } from '../../src/engine/record.ts';
import { short, span } from '../../src/terminal/when.ts';
import { ended, HOUR, launched, MINUTE, noticed, NOW, record } from '../support/build.ts';

const format = { clock: (ms: number) => short(ms, ms, 'Europe/Paris'), span, speed: 600 };
const at = (hours: number): number => NOW + hours * HOUR;

const first = launched(1, 'euw3-az2', at(4)) as Extract<JobEvent, { type: 'launched' }>;
const planned: JobEvent = {
  type: 'planned',
  atMs: NOW,
  why: 'window',
  reason: 'cheaper-window-ahead',
  plan: { ...first.plan, startMs: at(4), costNowUsd: 0.5, expectedCostUsd: 0.35 },
};
const resumed = (attempt: number, step: number, checkpointId: string | null, atMs: number): JobEvent => ({
  type: 'resumed',
  atMs,
  attempt,
  step,
  epoch: attempt,
  checkpointId,
});
const sealed: JobEvent = {
  type: 'checkpointed',
  atMs: at(5.01),
  attempt: 1,
  checkpoint: { id: 'c1', step: 40, bytes: 12_345, durationMs: 8.4, sealedAtMs: at(5.01), final: true },
  progress: null,
};
const usage = (fromMs: number, toMs: number, priceUsdPerHour: number) => [
  { fromMs, toMs, priceUsdPerHour, facilityPowerKw: 0.1, carbonGramsPerKwh: 40 },
];
const over: readonly JobEvent[] = [
  planned,
  first,
  resumed(1, 0, null, at(4.05)),
  noticed(1, at(5)),
  { ...launched(2, 'euw3-az3', at(5)), handover: { previousAttempt: 1, waitSealedUntilMs: at(5.03) } } as JobEvent,
  sealed,
  { ...ended(1, at(5.02)), usage: usage(at(4), at(5.02), 0.16) } as JobEvent,
  resumed(2, 40, 'c1', at(5.05)),
  { ...ended(2, at(7)), cause: 'succeeded', reason: 'completed', exitCode: 0, usage: usage(at(5), at(7), 0.17) } as JobEvent,
  {
    type: 'finished',
    atMs: at(7),
    result: 'succeeded',
    reason: 'completed',
    late: false,
    usefulWorkMs: 3 * HOUR,
    counterfactual: { instanceType: 'g4dn.xlarge', usage: usage(NOW, at(3), 0.615) },
    finalCheckpoint: null,
  },
];

describe('the story', () => {
  const events = record(over).events;
  const text = tell(events, 0, format).map((line) => line.text);

  it('tells what happened, in order, in plain words', () => {
    expect(text).toEqual([
      'You submit a training run: about 3 h of work, due 08:00 tomorrow. Latest start 05:00.',
      'Held: a window expected at 22:00 should cost $0.350 instead of $0.500 now. Nothing is billed meanwhile.',
      'Released: spot g4dn.xlarge in euw3-az2 at $0.160/h.',
      'The training process runs.',
      'INTERRUPTION NOTICE: the cloud takes this machine back in 0 s (at 23:02 on this fast clock). Checkpointing at once.',
      'Replacement asked for while the checkpoint is being written: spot g4dn.xlarge in euw3-az3 at $0.160/h.',
      'Checkpoint sealed at step 40 (12 kB in 8 ms).',
      'The machine is gone; no work is lost.',
      'Resumed from the sealed checkpoint at step 40, exactly there.',
      'The job has succeeded, 7 h before its deadline.',
    ]);
  });

  it('is told piece by piece as it is told at once', () => {
    const pieces = events.flatMap((_, index) => tell(events.slice(0, index + 1), index, format).map((line) => line.text));
    expect(pieces).toEqual(text);
  });

  it('marks what is bad', () => {
    const marks = new Map(tell(events, 0, format).map((line) => [line.text.split(' ')[0], line.mark]));
    expect(marks.get('INTERRUPTION')).toBe('warn');
    expect(marks.get('Checkpoint')).toBe('good');
  });

  it('says what is redone, and that on demand is the full price', () => {
    const bad = [
      first,
      { ...ended(1, at(5)), lostWorkMs: 12 * MINUTE } as JobEvent,
      { ...launched(2, 'euw3-az2', at(6)), capacityType: 'on-demand', priceUsdPerHour: 0.615 } as JobEvent,
    ];
    const told = tell(record(bad).events, 2, format);
    expect(told.map((line) => line.text)).toEqual([
      'The machine is gone; 12 min of work will be redone.',
      'Full price, to be on time: on-demand g4dn.xlarge in euw3-az2 at $0.615/h.',
    ]);
  });

  it('does not repeat a plan that says nothing new', () => {
    const again = { ...planned, atMs: at(1) } as JobEvent;
    expect(tell(record([planned, again]).events, 2, format)).toEqual([]);
  });
});

describe('the result', () => {
  const facts = { seed: 's', trainer: 'stdlib', finalHash: 'a'.repeat(64), uninterruptedHash: 'a'.repeat(64), realSeconds: 60 };
  const result = demoResult(record(over), facts);

  it('is derived from the events of the record', () => {
    expect(result).toMatchObject({
      heldSeconds: 4 * 3600,
      interruptions: 1,
      zones: ['euw3-az2', 'euw3-az3'],
      checkpointStep: 40,
      resumedStep: 40,
      deadlineMet: true,
      lostWorkSeconds: 0,
    });
    expect(result.costUsd).toBeCloseTo(1.02 * 0.16 + 2 * 0.17, 9);
    expect(result.onDemandCostUsd).toBeCloseTo(3 * 0.615, 9);
    expect(result.savingUsd).toBeCloseTo(result.onDemandCostUsd - result.costUsd, 12);
    expect(result.carbonGrams).toBeCloseTo(3.02 * 0.1 * 40, 9);
  });

  const lines = (over: Partial<DemoResult> = {}): readonly string[] => closing({ ...result, simulated: ['prices'], ...over }, (text) => text);

  it('ends with what was saved, what was survived, and what to do next', () => {
    const [saved = '', survived = '', next = ''] = lines();
    expect(lines()).toHaveLength(3);
    expect(saved).toMatch(/^Saved \$1\.342 \(73 %\): \$0\.503 instead of \$1\.845 .*\[simulated: prices\]/);
    expect(survived).toMatch(/^Survived 1 interruption .*euw3-az2 -> euw3-az3.*no work redone.*equal/);
    expect(next).toMatch(/^Try it on your own script: nerve up, then nerve submit/);
  });

  it('calls a loss a loss, a late job late, and different weights different', () => {
    const text = lines({ savingUsd: -0.2, deadlineMet: false, uninterruptedHash: 'b'.repeat(64) }).join('\n');
    expect(text).toContain('a loss of $0.200');
    expect(text).toContain('LATE');
    expect(text).toContain('DIFFER');
    expect(text).not.toMatch(/Saved|equal/);
  });

  it('never calls two missing hashes equal', () => {
    expect(lines({ finalHash: null, uninterruptedHash: null }).join('\n')).toContain('DIFFER');
  });
});

describe('a sparkline', () => {
  it('goes from the lowest to the highest block', () => {
    expect(sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8)).toBe('▁▂▃▄▅▆▇█');
  });

  it('shows the newest values, flat ones in the middle, and unknown ones as a gap', () => {
    expect(sparkline([9, 9, 9, 1, 2], 2)).toBe('▁█');
    expect(sparkline([5, 5], 4)).toBe('▄▄');
    expect(sparkline([1, Number.NaN, 2, Number.POSITIVE_INFINITY], 4)).toBe('▁ █ ');
    expect(sparkline([], 4)).toBe('');
  });
});
