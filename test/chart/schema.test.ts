import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { chartSchema } from '../../scripts/chart-schema.ts';

it('values.schema.json is what values.yaml and the settings of the programs say; if not: node scripts/chart-schema.ts && npm run format', () => {
  const committed: unknown = JSON.parse(readFileSync('charts/nerve-agent/values.schema.json', 'utf8'));
  expect(committed).toEqual(JSON.parse(chartSchema()));
});
