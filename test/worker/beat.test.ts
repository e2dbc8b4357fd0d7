import { describe, expect, it } from 'vitest';
import { createHeart } from '../../src/worker/beat.ts';

const BEAT = 20_000;
const GRACE = 600_000;
const HOUR = 3_600_000;

function heart(fails: () => boolean = () => false) {
  const at = { ms: 1_000_000 };
  let beats = 0;
  const clock = { speed: 1, nowMs: () => at.ms, realNowMs: () => at.ms, sleep: async () => undefined };
  const made = createHeart(
    clock,
    async () => {
      if (fails()) throw new Error('no API server');
      beats += 1;
    },
    { beatRealMs: BEAT, graceRealMs: GRACE },
  );
  const passed = async (): Promise<void> => {
    made.answered();
    await made.after('passed', async () => []);
  };
  return { at, made, passed, beats: () => beats };
}

describe('the beat', () => {
  it('comes after a whole pass, every 20 s', async () => {
    const { at, passed, beats } = heart();
    await passed();
    at.ms += BEAT - 1;
    await passed();
    expect(beats()).toBe(1);
    at.ms += 1;
    await passed();
    expect(beats()).toBe(2);
  });

  it('never comes from a standby, with Redis or without', async () => {
    const { at, made, beats } = heart();
    for (const outcome of ['standby', 'hindered', 'standby', 'hindered'] as const) {
      await made.after(outcome, async () => []);
      at.ms += BEAT;
    }
    expect(beats()).toBe(0);
  });

  it('comes at once from a standby that takes over, and no more from the one that lost the lead', async () => {
    const old = heart();
    const next = heart();
    await next.made.after('standby', async () => []);
    await old.passed();
    await next.passed();
    expect([old.beats(), next.beats()]).toEqual([1, 1]);
    old.at.ms += BEAT;
    await old.made.after('standby', async () => []);
    // Without Redis afterwards: it led once, but not when Redis was last heard of.
    await old.made.after('hindered', async () => []);
    expect(old.beats()).toBe(1);
  });

  it('goes on without Redis for the grace, and no longer', async () => {
    const { at, made, passed, beats } = heart();
    await passed();
    at.ms += GRACE;
    await made.after('hindered', async () => []);
    expect(beats()).toBe(2);
    at.ms += BEAT;
    await made.after('hindered', async () => []);
    expect(beats()).toBe(2);
  });

  it('stops at once without Redis where a held job must start within the grace', async () => {
    const { at, made, passed, beats } = heart();
    await passed();
    at.ms += BEAT;
    await made.after('hindered', async () => [at.ms + HOUR, at.ms + GRACE / 2]);
    expect(beats()).toBe(1);
    await made.after('hindered', async () => [at.ms + HOUR]);
    expect(beats()).toBe(2);
  });

  it('goes on when the wall clock is set back by an hour, and the grace does not grow by it', async () => {
    const { at, made, passed, beats } = heart();
    await passed();
    at.ms -= HOUR;
    await passed();
    expect(beats()).toBe(2);
    at.ms += HOUR;
    await passed();
    at.ms -= HOUR;
    await made.after('hindered', async () => []);
    at.ms += GRACE + 1;
    await made.after('hindered', async () => []);
    expect(beats()).toBe(4);
  });

  it('tries again at the next call when it could not be written', async () => {
    let down = true;
    const { passed, beats } = heart(() => down);
    await expect(passed()).rejects.toThrow('no API server');
    down = false;
    await passed();
    expect(beats()).toBe(1);
  });
});
