// A market whose view carries the trained forecasts that the settings name. A file may appear, change or vanish while Nerve runs: it is
// looked at again every few minutes, and what becomes of it is said once, with the reason.

import { readFileSync, statSync } from 'node:fs';
import type { ForecastKind, ForecastModel, ForecastModels } from '../../engine/forecaster/model.ts';
import { readForecastModel } from '../../engine/forecaster/parse.ts';
import type { MarketView } from '../../engine/snapshot.ts';
import type { Clock, Log, Market } from '../../ports.ts';

export interface ModelFiles {
  readonly carbonModel: string | null;
  readonly priceModel: string | null;
}

const LOOK_AGAIN_REAL_MS = 5 * 60_000;

/** The market itself where no model is named. */
export function withModels(market: Market, files: ModelFiles, clock: Clock, log: Log): Market {
  const named = ([['carbon', files.carbonModel] as const, ['price', files.priceModel] as const] satisfies [ForecastKind, string | null][]).flatMap(
    ([kind, path]) => (path === null ? [] : [modelFile(kind, path, clock, log)]),
  );
  if (named.length === 0) return market;
  let models: ForecastModels = {};
  let nextRealMs = 0;
  // The engine remembers what it derives from a view under the view itself: the same in gives the same out.
  let last: { readonly of: MarketView; readonly models: ForecastModels; readonly view: MarketView } | null = null;
  return {
    meter: (ask) => market.meter(ask),
    view: async () => {
      if (clock.realNowMs() >= nextRealMs) {
        nextRealMs = clock.realNowMs() + LOOK_AGAIN_REAL_MS;
        const read = named.map((look) => look());
        if (read.some(({ changed }) => changed))
          models = Object.fromEntries(read.flatMap(({ kind, model }) => (model === null ? [] : [[kind, model]])));
      }
      const of = await market.view();
      if (last?.of !== of || last.models !== models) last = { of, models, view: { ...of, models } };
      return last.view;
    },
  };
}

interface Looked {
  readonly kind: ForecastKind;
  readonly model: ForecastModel | null;
  readonly changed: boolean;
}

function modelFile(kind: ForecastKind, path: string, clock: Clock, log: Log): () => Looked {
  let stamp: string | null = null;
  let model: ForecastModel | null = null;
  return () => {
    const now = stampOf(path, clock.nowMs());
    if (now === stamp) return { kind, model, changed: false };
    stamp = now;
    const read = readModel(kind, path, clock.nowMs());
    model = 'model' in read ? read.model : null;
    if ('model' in read) log.info({ kind, path, verdict: read.model.verdict }, 'a trained forecast is used');
    else log.warn({ kind, path, reason: read.refused }, 'the trained forecast is not used; the 7-day mean with level is');
    return { kind, model, changed: true };
  };
}

/** A day of the clock is part of it: a model grows too old without anybody touching it. */
function stampOf(path: string, nowMs: number): string {
  const day = Math.floor(nowMs / 86_400_000);
  try {
    const { mtimeMs, size } = statSync(path);
    return `${day} ${mtimeMs} ${size}`;
  } catch {
    return `${day} none`;
  }
}

function readModel(kind: ForecastKind, path: string, nowMs: number): ReturnType<typeof readForecastModel> {
  try {
    return readForecastModel(readFileSync(path, 'utf8'), kind, nowMs);
  } catch (error) {
    return { refused: `it cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}
