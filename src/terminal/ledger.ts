// The ledger as people read it. Every figure is the report's own.

import type { JobReport, Totals } from '../engine/report.ts';
import { endWords } from './end-words.ts';
import { count, grams, percent, table, usd } from './figures.ts';
import { plain } from './plain.ts';
import { localZone, span, written } from './when.ts';

const COUNTERFACTUAL = 'starting at once, on demand, uninterrupted';

export function jobLines(r: JobReport): readonly string[] {
  const simulated = r.simulated.length === 0 ? '' : `  [simulated: ${r.simulated.join(', ')}]`;
  const rows = r.attempts.map((a) => [
    `  attempt ${a.attempt}`,
    `${a.capacityType} ${a.instanceType} in ${a.zone}`,
    usd(a.costUsd),
    grams(a.carbonGrams),
    a.cause === null ? 'goes on' : endWords(a.cause, a.reason, a.exitCode ?? null),
  ]);
  const lines = [
    `${r.jobId}  ${plain(r.name)}  ${r.result ?? 'not ended yet: figures are those of ended attempts'}${simulated}`,
    ...(rows.length === 0 ? [] : [table(rows)]),
  ];
  if (r.result !== null) {
    lines.push(
      `deadline       ${kept(r)} (${written(r.deadlineMs, localZone())})`,
      `held           ${span(r.heldMs)}; ${count(r.interruptions, 'interruption')} survived, ${count(r.moves, 'move')}, ${span(r.lostWorkMs)} of work redone`,
      ...(r.moveLimitBreaks === 0
        ? []
        : [`move limit     broken ${count(r.moveLimitBreaks, 'time')}, because the deadline would have been missed without`]),
      `cost           ${usd(r.costUsd)} against ${usd(r.onDemandCostUsd)} for ${COUNTERFACTUAL}: ${saved(r.savingUsd, r.onDemandCostUsd)}`,
      `carbon         ${grams(r.carbonGrams)} against ${grams(r.carbonGramsStartNow)}; footprint at the grid's average intensity`,
    );
  }
  return lines;
}

export function totalLines(t: Totals): readonly string[] {
  if (t.jobs === 0) return ['No job has finished yet.'];
  return [
    `${count(t.jobs, 'finished job')}: ${t.succeeded} succeeded, ${t.late} of them late; ${count(t.interruptions, 'interruption')} survived, ${span(t.lostWorkMs)} of work redone`,
    `cost    ${usd(t.costUsd)} against ${usd(t.onDemandCostUsd)} for ${COUNTERFACTUAL}: ${saved(t.savingUsd, t.onDemandCostUsd)}`,
    `carbon  ${grams(t.carbonGrams)}, ${greener(t.carbonSavedGrams)} starting at once; footprint at the grid's average intensity`,
  ];
}

/** A job that ended otherwise than by succeeding has missed its deadline only where that had passed by then. */
function kept({ result, deadlineMet, deadlineMs, finishedAtMs }: JobReport): string {
  if (deadlineMet) return 'met';
  const leftMs = deadlineMs - (finishedAtMs ?? deadlineMs);
  if (result === 'succeeded') return leftMs < 0 ? `missed by ${span(-leftMs)}` : 'missed';
  return leftMs >= 0 ? `not finished: ${result} ${span(leftMs)} before it` : `missed: ${result} ${span(-leftMs)} after it`;
}

/** What the figures themselves would show as nothing is neither a saving nor a loss. */
function saved(savingUsd: number, ofUsd: number): string {
  if (usd(Math.abs(savingUsd)) === usd(0)) return 'the same';
  return savingUsd > 0 ? `${usd(savingUsd)} saved (${percent(savingUsd, ofUsd)})` : `a loss of ${usd(-savingUsd)}`;
}

function greener(savedGrams: number): string {
  if (grams(Math.abs(savedGrams)) === grams(0)) return 'the same as';
  return `${grams(Math.abs(savedGrams))} ${savedGrams > 0 ? 'less' : 'more'} than`;
}
