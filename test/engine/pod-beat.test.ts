import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterReading, type BeatReading, NO_PULSE, type Pulse, type WorkerBeat } from '../../src/engine/pod/beat.ts';

const worker = (beat: string | null, more: Partial<WorkerBeat> = {}): WorkerBeat => ({ uid: 'w1', beat, draining: false, ...more });
const read = (readings: readonly BeatReading[], from: Pulse = NO_PULSE): Pulse => readings.reduce(afterReading, from);

/** Every 5 s from `fromMs` on, `count` times. */
const looks = (count: number, fromMs: number, pods: BeatReading['pods']): BeatReading[] =>
  Array.from({ length: count }, (_, i) => ({ atMs: fromMs + i * 5000, pods }));

describe('the rule that decides that Nerve is dead', () => {
  it('counts Nerve as away before anything was read, and before the first beat after an install', () => {
    expect(NO_PULSE.away).toBe(true);
    expect(read(looks(3, 0, [worker(null)])).away).toBe(true);
    expect(read(looks(3, 0, [])).away).toBe(true);
    expect(read([...looks(3, 0, [worker(null)]), ...looks(1, 15_000, [worker('1')])])).toMatchObject({ away: false, moved: true });
  });

  it('takes a beat that it finds for a living one, for 90 s and not longer', () => {
    expect(read(looks(18, 0, [worker('7')]))).toMatchObject({ away: false, dead: false, moved: false, quietMs: 85_000 });
    expect(read(looks(19, 0, [worker('7')]))).toMatchObject({ away: true, dead: true, quietMs: 90_000 });
  });

  it('is alive again with the next beat that moves, also a lower one and one of another pod', () => {
    const dead = read(looks(19, 0, [worker('7')]));
    for (const pods of [[worker('8')], [worker('1')], [worker('7'), worker('1', { uid: 'w2' })]])
      expect(afterReading(dead, { atMs: 95_000, pods })).toMatchObject({ away: false, dead: false, quietMs: 0 });
  });

  it('does not take a worker that is gone, or a standby that never beats, for a beat', () => {
    const quiet = [...looks(10, 0, [worker('7')]), ...looks(9, 50_000, [worker(null, { uid: 'w2' })])];
    expect(read(quiet).dead).toBe(true);
  });

  it('begins the 90 s anew after a failed read, and stays away if it was', () => {
    const failed = { atMs: 88_000, pods: null };
    expect(read([...looks(18, 0, [worker('7')]), failed, ...looks(18, 90_000, [worker('7')])])).toMatchObject({ away: false, dead: false });
    const dead = read(looks(19, 0, [worker('7')]));
    expect(afterReading(dead, { atMs: 95_000, pods: null })).toMatchObject({ away: true, dead: false });
  });

  it('begins the 90 s anew after a gap that nobody watched, and after a clock that went back', () => {
    expect(read([...looks(10, 0, [worker('7')]), ...looks(1, 3_600_000, [worker('7')])])).toMatchObject({ away: false, quietMs: 0 });
    expect(read([...looks(10, 3_600_000, [worker('7')]), ...looks(1, 0, [worker('7')])])).toMatchObject({ away: false, quietMs: 0 });
  });

  it('holds nothing more once a worker is marked as draining, also when that pod is gone and until a beat moves', () => {
    const draining = read([...looks(3, 0, [worker('7')]), { atMs: 15_000, pods: [worker('8', { draining: true })] }]);
    expect(draining).toMatchObject({ away: true, dead: true });
    expect(afterReading(draining, { atMs: 20_000, pods: [] }).away).toBe(true);
    expect(afterReading(draining, { atMs: 20_000, pods: [worker('1', { uid: 'w2' })] }).away).toBe(false);
  });
});

type Step = { readonly waitMs: number; readonly what: 'same' | 'beat' | 'restart' | 'replace' | 'fail' };

/** Ordinary looks, with clocks that jump, readers that sleep, and reads that fail. */
const steps = fc.array(
  fc.record({
    waitMs: fc.oneof({ weight: 150, arbitrary: fc.integer({ min: 1000, max: 9000 }) }, fc.integer({ min: -7_200_000, max: 7_200_000 })),
    what: fc.oneof({ weight: 150, arbitrary: fc.constant('same' as const) }, fc.constantFrom('beat', 'restart', 'replace', 'fail')),
  }),
  { minLength: 20, maxLength: 120 },
);

function play(played: readonly Step[]): { readonly readings: readonly BeatReading[]; readonly pulses: readonly Pulse[] } {
  let [atMs, beat, uid] = [1_000_000, 5, 0];
  const readings = played.map(({ waitMs, what }): BeatReading => {
    atMs += waitMs;
    if (what === 'beat') beat += 1;
    if (what === 'restart') beat = beat === 1 ? 2 : 1;
    if (what === 'replace') uid += 1;
    return { atMs, pods: what === 'fail' ? null : [worker(String(beat), { uid: `w${uid}` })] };
  });
  let pulse = NO_PULSE;
  const pulses = readings.map((reading) => (pulse = afterReading(pulse, reading)));
  return { readings, pulses };
}

describe('whatever clocks, reads and workers do', () => {
  it('death is only ever told after 90 s of answered reads, close to each other, that all showed the same', () => {
    let deaths = 0;
    fc.assert(
      fc.property(steps, (played) => {
        const { readings, pulses } = play(played);
        for (const [i, pulse] of pulses.entries()) {
          if (!pulse.dead) continue;
          deaths += 1;
          let from = i;
          const key = JSON.stringify(readings[i]?.pods);
          while (from > 0) {
            const [before, now] = [readings[from - 1], readings[from]];
            const gapMs = (now?.atMs ?? 0) - (before?.atMs ?? 0);
            if (JSON.stringify(before?.pods) !== key || gapMs < 0 || gapMs > 20_000) break;
            from -= 1;
          }
          expect((readings[i]?.atMs ?? 0) - (readings[from]?.atMs ?? 0)).toBeGreaterThanOrEqual(90_000);
        }
      }),
      { numRuns: 2000 },
    );
    expect(deaths).toBeGreaterThan(100);
  });

  it('a worker that beats every 20 s is never dead, and one that stops is, 90 s later', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1000, max: 9000 }), { minLength: 1, maxLength: 60 }), (waits) => {
        let [atMs, pulse] = [0, NO_PULSE];
        for (const waitMs of waits) {
          atMs += waitMs;
          pulse = afterReading(pulse, { atMs, pods: [worker(String(Math.floor(atMs / 20_000)))] });
          expect(pulse.away).toBe(false);
        }
        const last = [worker(String(Math.floor(atMs / 20_000)))];
        for (let quietMs = 0; quietMs <= 90_000; quietMs += 5000) pulse = afterReading(pulse, { atMs: atMs + quietMs, pods: last });
        expect(pulse.dead).toBe(true);
      }),
    );
  });
});
