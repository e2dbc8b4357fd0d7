// `npm run -s bench:train-carbon -- --data DIR --out model.json`: trains one model of the grid on every zone in DIR. Then
// `NERVE_MODEL=model.json npm run -s bench:policy-process` uses it. No weights are committed: users train on their own history.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { forecaster } from './python.ts';

const { values } = parseArgs({ options: { data: { type: 'string' }, out: { type: 'string' } } });
if (values.data === undefined || values.out === undefined) {
  console.error('It needs --data DIR (files of grid history) and --out FILE: npm run -s bench:train-carbon -- --data history --out model.json');
  process.exit(2);
}
// npm changes into the project's folder; what was typed is meant from where it was typed.
const from = (path: string): string => resolve(process.env['INIT_CWD'] ?? '.', path);
await forecaster(['train', '--kind', 'carbon', '--data', from(values.data), '--export', from(values.out)]);
