// The JSON lines that score.py speaks (`../shared/policy-bench/README.md`).

import type { Observation, Scenario } from '../../src/simulate/protocol.ts';

export type Request =
  | { readonly type: 'init'; readonly protocol: number; readonly scenarios: readonly Scenario[] }
  | { readonly type: 'tick'; readonly n: number; readonly obs: readonly Observation[] }
  | { readonly type: 'end' };
