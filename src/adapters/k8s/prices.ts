// The price file that the chart mounts: YAML, judged with line and field. What it says is somebody's reading of a price list at some time, so it
// carries a source and an instant, and every figure made from it does too.

import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { NerveError } from '../../engine/errors.ts';

const price = z.number().positive().finite();

const schema = z.strictObject({
  region: z.string().min(1),
  /** Where the figures are from, for people. */
  source: z.string().min(1),
  readAt: z.iso.datetime({ offset: true }),
  prices: z.array(
    z.strictObject({
      instanceType: z.string().min(1),
      onDemandUsdPerHour: price,
      /** By zone; a zone that is not named has no spot of this type. */
      spotUsdPerHour: z.record(z.string().min(1), price).default({}),
      /** Where it is on offer on demand; default: everywhere that has spot, and every zone seen on nodes. */
      zones: z.array(z.string().min(1)).min(1).optional(),
      /** Busy power of the whole instance, without PUE. */
      watts: price.optional(),
    }),
  ),
  /** Average grams CO2e per kWh for each hour of the day, UTC. Default: the shipped typical day of the region. */
  gridGramsPerKwhByHour: z.array(z.number().min(0).finite()).length(24).optional(),
});

export interface PriceFile extends z.infer<typeof schema> {
  readonly readAtMs: number;
}

/** Null: the file says nothing (`{}` or empty), and nothing is assumed of it. @throws NerveError `usage` naming line and field. */
export function parsePrices(text: string, file: string): PriceFile | null {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [fault] = document.errors;
  if (fault !== undefined) throw refused(file, fault.linePos?.[0].line ?? 1, 'the YAML', fault.message.split('\n')[0] ?? '');
  const value: unknown = document.toJS();
  if (value === null || (typeof value === 'object' && Object.keys(value).length === 0)) return null;
  const result = schema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    const path = issue?.path.map(String) ?? [];
    throw refused(
      file,
      lineOf(document, lines, issue?.path ?? []),
      path.length === 0 ? 'the top level' : path.join('.'),
      issue?.message ?? 'not valid',
    );
  }
  return { ...result.data, readAtMs: Date.parse(result.data.readAt) };
}

/** The line of the field, or of the nearest thing around it that is there. */
function lineOf(document: ReturnType<typeof parseDocument>, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    const range = (node as { readonly range?: readonly number[] | null } | undefined)?.range;
    if (range?.[0] !== undefined) return lines.linePos(range[0]).line;
  }
  return 1;
}

const refused = (file: string, line: number, field: string, why: string): NerveError =>
  new NerveError('usage', `The price file ${file} is not valid at line ${line}, ${field}: ${why}.`, {
    hint: 'Each price needs instanceType and onDemandUsdPerHour; spotUsdPerHour names zones. Correct the file and the chart value "prices".',
    fields: { file, line, field },
  });
