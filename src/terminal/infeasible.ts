// A deadline that cannot be promised: by how much, and which one can.

import { NerveError } from '../engine/errors.ts';
import type { Quote } from '../engine/quote.ts';
import { usd } from './figures.ts';
import { span, written } from './when.ts';

export function infeasible(offer: Quote, zone: string, nowMs: number): NerveError {
  return new NerveError(
    'refused',
    `This deadline cannot be met: it is ${span(offer.shortfallMs)} too short, even on demand and starting now (${offer.onDemandCostUsd === null ? 'no price' : usd(offer.onDemandCostUsd)}).`,
    {
      hint: `The nearest deadline that can be promised is ${written(Math.ceil(offer.nearestDeadlineMs / 60_000) * 60_000, zone)} (+${span(offer.nearestDeadlineMs - nowMs)}).`,
      fields: { shortfallMs: offer.shortfallMs, nearestDeadlineMs: offer.nearestDeadlineMs },
    },
  );
}
