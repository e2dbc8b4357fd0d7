// The forecast of a series: the trained model's where there is one and it can see a week, else the 7-day mean with level.
// Between the middles of two hours it is a straight line; it begins at the reading of now.

import { type Forecast, meanWithLevel } from '../forecast.ts';
import type { Series } from '../snapshot.ts';
import type { ForecastModel } from './model.ts';
import { type Predicted, predict } from './predict.ts';
import { type Window, windowOf } from './window.ts';

const HOUR_MS = 3_600_000;

export function forecastOf(history: Series, nowMs: number, currentValue: number, model: ForecastModel | undefined): Forecast {
  const window = model === undefined ? null : windowOf(history, nowMs, currentValue);
  if (model === undefined || window === null) return meanWithLevel(history, nowMs, currentValue);
  return along(window, predict(model, window).point);
}

/** The outermost quantiles of the model, or null where it cannot say. */
export function bandOf(
  history: Series,
  nowMs: number,
  currentValue: number,
  model: ForecastModel | undefined,
): { readonly low: Forecast; readonly high: Forecast } | null {
  const window = model === undefined ? null : windowOf(history, nowMs, currentValue);
  if (model === undefined || window === null) return null;
  const predicted: Predicted = predict(model, window);
  return {
    low: along(window, (hour) => predicted.quantile(0, hour)),
    high: along(window, (hour) => predicted.quantile(model.quantiles.length - 1, hour)),
  };
}

function along({ current, edgeMs, stepMs }: Window, ofHour: (hour: number) => number): Forecast {
  const known: number[] = [];
  const hourValue = (hour: number): number => (known[hour] ??= ofHour(hour));
  const firstMs = edgeMs - stepMs / 2;
  return (atMs) => {
    if (atMs <= firstMs) return current;
    const position = (atMs - edgeMs) / HOUR_MS + 0.5;
    if (position < 1) {
      const share = (atMs - firstMs) / (edgeMs + HOUR_MS / 2 - firstMs);
      return current + (hourValue(1) - current) * share;
    }
    const hour = Math.floor(position);
    const low = hourValue(hour);
    return low + (hourValue(hour + 1) - low) * (position - hour);
  };
}
