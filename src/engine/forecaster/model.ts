// A trained model as data (python/nerve_forecaster/export.py writes it): a linear map of the last week's shape on top of a
// baseline, and for each quantile and hour ahead an offset and a slope. One model serves every zone and knows no calendar.

/** `carbon`: g/kWh of a grid; `price`: USD/h of spot. */
export type ForecastKind = 'carbon' | 'price';

export interface ForecastModel {
  readonly kind: ForecastKind;
  readonly horizonHours: number;
  /** `profile`: 7-day mean of the hour of the day, with level; `last`: the reading of now. */
  readonly base: 'profile' | 'last';
  /** [hour ahead][feature]: 168 hours, oldest first, then the reading of now. */
  readonly weights: readonly (readonly number[])[];
  readonly bias: readonly number[];
  /** Ascending. */
  readonly quantiles: readonly number[];
  /** [quantile][hour ahead], in spreads of the window. */
  readonly offset: readonly (readonly number[])[];
  readonly slope: readonly (readonly number[])[];
  readonly trainedToMs: number;
  /** Why it is believed: what it did on the last weeks of its history. */
  readonly verdict: string;
}

/** What a market view carries; absent where there is none, or it was refused. */
export type ForecastModels = { readonly [K in ForecastKind]?: ForecastModel };
