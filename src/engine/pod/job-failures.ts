// What a Job's own failure rules leave of its moves: the Job controller counts every pod that an evacuation ends against backoffLimit, unless
// podFailurePolicy ignores it. Users write these fields, so whatever has an unexpected shape counts as left out.

type Fields = Readonly<Record<string, unknown>>;

/** Exit codes of a container that was asked to stop: the SDK's, SIGTERM's, SIGKILL's. */
const STOPPED = [75, 143, 137];
const DEFAULT_BACKOFF_LIMIT = 6;

/** With a limit for each index the Job's own one is out of reach. */
export const backoffLimitOf = (spec: Fields): number =>
  numberIn(spec, 'backoffLimitPerIndex') ?? numberIn(spec, 'backoffLimit') ?? DEFAULT_BACKOFF_LIMIT;

/** How often its pods may be moved before one more failure would be the Job's; null: as often as it takes. */
export const movesOfJob = (spec: Fields): number | null => (ignoresDisruption(spec) ? null : Math.max(0, backoffLimitOf(spec) - 1));

/** "is moved at most once" */
export const atMost = (moves: number): string => `at most ${moves === 1 ? 'once' : `${moves} times`}`;

/** Rules count in their order: an earlier one that takes the exit code of a container that was told to stop wins. */
export function ignoresDisruption({ podFailurePolicy: policy }: Fields): boolean {
  const rules = isFields(policy) && Array.isArray(policy['rules']) ? policy['rules'].filter(isFields) : [];
  for (const rule of rules) {
    if (rule['action'] === 'Ignore') {
      if (isDisruption(rule['onPodConditions'])) return true;
    } else if (isDisruption(rule['onPodConditions']) || takesStopped(rule['onExitCodes'])) return false;
  }
  return false;
}

const isDisruption = (conditions: unknown): boolean =>
  Array.isArray(conditions) && conditions.some((c) => isFields(c) && c['type'] === 'DisruptionTarget' && (c['status'] ?? 'True') === 'True');

function takesStopped(onExitCodes: unknown): boolean {
  if (!isFields(onExitCodes) || !Array.isArray(onExitCodes['values'])) return false;
  const { values, operator } = onExitCodes as { values: readonly unknown[]; operator?: unknown };
  return STOPPED.some((code) => values.includes(code) === (operator === 'In'));
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const numberIn = (fields: Fields, key: string): number | null => {
  const value = fields[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
};
