// The one rule that decides "Nerve is dead" (DESIGN section 5): no worker pod's beat has moved for 90 s during which the reader's own list
// answered. Its two readers are the webhook (stops gating) and the watchdog (opens gates).
//
// Surprises: only time between two answered reads close to each other counts, so a failed read, a reader that slept, or a clock that
// jumped begins the 90 s anew. And away stays away until a beat has moved: a read that fails says nothing in Nerve's favour.

/** Quiet for this long is dead. */
const DEAD_AFTER_MS = 90_000;
/** What lies between two reads further apart than this was not watched. */
const MAX_GAP_MS = 20_000;

export interface WorkerBeat {
  /** Of the pod: a new pod's first beat has moved. */
  readonly uid: string;
  /** `nerve.io/beat`; null before the first one, and always on a standby. */
  readonly beat: string | null;
  /** Marked by the uninstall hook. */
  readonly draining: boolean;
}

export interface BeatReading {
  readonly atMs: number;
  /** Every worker pod; null: the read failed, or what it showed may be old. */
  readonly pods: readonly WorkerBeat[] | null;
}

export interface Pulse {
  /** Away: nothing new is gated. True before the first beat after an install. */
  readonly away: boolean;
  /** Nerve has been quiet for so long, all of it watched, that gates are opened. */
  readonly dead: boolean;
  /** A beat was seen to move while this reader looked. */
  readonly moved: boolean;
  /** Watched time without a beat that moved. */
  readonly quietMs: number;
  readonly lastReadAtMs: number | null;
  /** By pod uid, all that were ever shown: a stale list must not make an old beat a new one. Null before the first answered read. */
  readonly beats: ReadonlyMap<string, string> | null;
}

export const NO_PULSE: Pulse = { away: true, dead: false, moved: false, quietMs: 0, lastReadAtMs: null, beats: null };

export function afterReading(before: Pulse, { atMs, pods }: BeatReading): Pulse {
  if (pods === null) return { ...before, dead: false, quietMs: 0, lastReadAtMs: null };
  const beats = new Map(before.beats);
  for (const { uid, beat } of pods) if (beat !== null) beats.set(uid, beat);
  const draining = pods.some((pod) => pod.draining);
  const moved = before.beats !== null && pods.some(({ uid, beat }) => beat !== null && before.beats?.get(uid) !== beat);
  const quietMs = moved ? 0 : before.quietMs + watched(before.lastReadAtMs, atMs, before.quietMs);
  const dead = draining || quietMs >= DEAD_AFTER_MS;
  return {
    away: dead || (!moved && stillAway(before, beats)),
    dead,
    moved: before.moved || moved,
    quietMs,
    lastReadAtMs: atMs,
    beats,
  };
}

/** Whoever has just begun to look takes a beat that is there for a living one, for as long as the rule says. */
const stillAway = (before: Pulse, beats: ReadonlyMap<string, string>): boolean => (before.beats === null ? beats.size === 0 : before.away);

/** What this read adds to the quiet; an interval that nobody watched takes back all there was. */
function watched(fromMs: number | null, toMs: number, quietMs: number): number {
  const gapMs = fromMs === null ? 0 : toMs - fromMs;
  return gapMs >= 0 && gapMs <= MAX_GAP_MS ? gapMs : -quietMs;
}
