// The one object that `nerve demo --json` prints. Everything about the job is derived from the record's events
// (through the engine's report); only the two hashes come from the training logs.

import type { JobEvent, JobRecord } from '../engine/record.ts';
import { report } from '../engine/report.ts';

export interface DemoResult {
  readonly jobId: string;
  readonly seed: string;
  readonly heldSeconds: number;
  readonly interruptions: number;
  /** Zones it ran in, in order. */
  readonly zones: readonly string[];
  readonly capacityTypes: readonly string[];
  readonly checkpointStep: number | null;
  readonly resumedStep: number | null;
  readonly finalHash: string | null;
  readonly uninterruptedHash: string | null;
  readonly deadlineMet: boolean;
  readonly costUsd: number;
  readonly onDemandCostUsd: number;
  readonly savingUsd: number;
  readonly carbonGrams: number;
  readonly carbonGramsStartNow: number;
  readonly lostWorkSeconds: number;
  readonly simulated: readonly string[];
  readonly trainer: string;
  readonly realSeconds: number;
}

export interface DemoFacts {
  readonly seed: string;
  readonly trainer: string;
  readonly finalHash: string | null;
  readonly uninterruptedHash: string | null;
  readonly realSeconds: number;
}

export function demoResult(record: JobRecord, facts: DemoFacts): DemoResult {
  const ledger = report(record);
  const { checkpointStep, resumedStep } = firstHandover(record.events);
  return {
    jobId: record.jobId,
    seed: facts.seed,
    heldSeconds: ledger.heldMs / 1000,
    interruptions: ledger.interruptions,
    zones: ledger.zones,
    capacityTypes: record.events.flatMap((event) => (event.type === 'launched' ? [event.capacityType] : [])),
    checkpointStep,
    resumedStep,
    finalHash: facts.finalHash,
    uninterruptedHash: facts.uninterruptedHash,
    deadlineMet: ledger.deadlineMet,
    costUsd: ledger.costUsd,
    onDemandCostUsd: ledger.onDemandCostUsd,
    savingUsd: ledger.savingUsd,
    carbonGrams: ledger.carbonGrams,
    carbonGramsStartNow: ledger.carbonGramsStartNow,
    lostWorkSeconds: ledger.lostWorkMs / 1000,
    simulated: ledger.simulated,
    trainer: facts.trainer,
    realSeconds: facts.realSeconds,
  };
}

/** The step sealed on the first notice, and the step at which the next attempt went on. */
function firstHandover(events: readonly JobEvent[]): { checkpointStep: number | null; resumedStep: number | null } {
  const noticed = events.find((event) => event.type === 'noticed');
  if (noticed?.type !== 'noticed') return { checkpointStep: null, resumedStep: null };
  const sealed = events.find((event) => event.type === 'checkpointed' && event.attempt === noticed.attempt && event.checkpoint.final);
  const resumed = events.find((event) => event.type === 'resumed' && event.attempt > noticed.attempt);
  return {
    checkpointStep: sealed?.type === 'checkpointed' ? sealed.checkpoint.step : null,
    resumedStep: resumed?.type === 'resumed' ? resumed.step : null,
  };
}
