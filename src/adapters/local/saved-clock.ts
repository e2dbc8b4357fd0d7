// Where the local cluster's clock starts. It never goes back: what a job's record says happened must not lie ahead of now.

export interface SavedClock {
  readonly virtualMs: number;
}

/** Where the last one was left. A clock at speed 1 that a fast one has put ahead stays ahead, until the wall clock has overtaken it. */
export function startsAt(saved: SavedClock | null, speed: number, wallMs: number): number {
  return saved === null ? wallMs : Math.max(saved.virtualMs, speed === 1 ? wallMs : 0);
}
