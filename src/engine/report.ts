// Placeholder for the ledger; its shape is fixed here so that ports can name it. See JobReport.

import type { JobId } from './job.ts';
import type { FinishResult } from './record.ts';

/** The end of a job in one value: status, CLI, TUI, dashboard, metrics and --json are views of it. Folded from events, nothing else. */
export interface JobReport {
  readonly jobId: JobId;
  readonly name: string;
  readonly result: FinishResult;
  readonly submittedAtMs: number;
  readonly deadlineMs: number;
  readonly finishedAtMs: number;
  readonly deadlineMet: boolean;
  readonly heldMs: number;
  readonly usefulWorkMs: number;
  readonly lostWorkMs: number;
  readonly attempts: number;
  readonly interruptions: number;
  readonly moves: number;
  /** Zones of the attempts that ran, in order, consecutive repeats folded. */
  readonly zones: readonly string[];
  readonly costUsd: number;
  readonly spotCostUsd: number;
  readonly onDemandFallbackCostUsd: number;
  readonly onDemandCostUsd: number;
  /** Can be negative: a bad month shows. */
  readonly savingUsd: number;
  readonly carbonGrams: number;
  readonly carbonGramsStartNow: number;
  readonly carbonSavedGrams: number;
  /** Last checkpoint's step before the last interruption, and the step the next attempt resumed at. */
  readonly checkpointStep: number | null;
  readonly resumedStep: number | null;
  /** Parts that were simulated, e.g. prices, availability, carbon. */
  readonly simulated: readonly string[];
}
