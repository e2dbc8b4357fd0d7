// Seeded chance (mulberry32). `fork` gives a stream of its own, so that drawing more in one place changes nothing elsewhere.

export interface Random {
  /** [0, 1). */
  next(): number;
  chance(probability: number): boolean;
  between(low: number, high: number): number;
  /** Inclusive. */
  int(low: number, high: number): number;
  pick<const T>(items: readonly [T, ...T[]]): T;
  fork(label: string): Random;
}

export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const between = (low: number, high: number): number => low + next() * (high - low);
  return {
    next,
    chance: (probability) => next() < probability,
    between,
    int: (low, high) => Math.floor(between(low, high + 1)),
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
    fork: (label) => random(hash(label, seed)),
  };
}

/** FNV-1a: the same number for the same words, on every machine. */
export function hash(label: string, seed = 0): number {
  let value = (2166136261 ^ seed) >>> 0;
  for (let i = 0; i < label.length; i++) value = Math.imul(value ^ label.charCodeAt(i), 16777619) >>> 0;
  return value;
}
