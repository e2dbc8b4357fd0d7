// The numbered seal log of one job, as a store that gives exclusive creation: an entry is there whole or not at all. Taking the
// epoch (a resume entry) fences every older attempt.

export type SealEntry =
  | { readonly type: 'resume'; readonly attempt: number; readonly epoch: number }
  | {
      readonly type: 'checkpoint';
      readonly attempt: number;
      readonly epoch: number;
      readonly step: number;
      readonly final: boolean;
      readonly id: string;
    };

export interface SealLog {
  readonly entries: readonly SealEntry[];
  epoch(): number;
  /** The highest attempt that ever resumed. */
  resumedAttempt(): number;
  newest(): Extract<SealEntry, { type: 'checkpoint' }> | null;
  finalOf(attempt: number): boolean;
  /** The new epoch, or null when a later attempt has resumed already. */
  resume(attempt: number): number | null;
  /** The seal, or null when the writer is fenced. */
  seal(attempt: number, epoch: number, step: number, final: boolean): Extract<SealEntry, { type: 'checkpoint' }> | null;
}

export function sealLog(): SealLog {
  const entries: SealEntry[] = [];
  const resumes = (): Extract<SealEntry, { type: 'resume' }>[] => entries.filter((e) => e.type === 'resume');
  const epoch = (): number => resumes().at(-1)?.epoch ?? 0;
  const resumedAttempt = (): number => Math.max(0, ...resumes().map((e) => e.attempt));
  return {
    entries,
    epoch,
    resumedAttempt,
    newest: () => entries.findLast((e) => e.type === 'checkpoint') ?? null,
    finalOf: (attempt) => entries.some((e) => e.type === 'checkpoint' && e.attempt === attempt && e.final),
    resume: (attempt) => {
      if (attempt < resumedAttempt()) return null;
      const taken = epoch() + 1;
      entries.push({ type: 'resume', attempt, epoch: taken });
      return taken;
    },
    seal: (attempt, own, step, final) => {
      if (epoch() > own) return null;
      const entry = { type: 'checkpoint', attempt, epoch: own, step, final, id: `c${entries.length + 1}` } as const;
      entries.push(entry);
      return entry;
    },
  };
}
