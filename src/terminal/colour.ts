// Colours only where a person looks and has not said NO_COLOR.

import { Chalk, type ChalkInstance } from 'chalk';
import { environment } from '../config/environment.ts';

export function colourFor(stream: { readonly isTTY?: boolean }): ChalkInstance {
  const wanted = stream.isTTY === true && (environment()['NO_COLOR'] ?? '') === '';
  return new Chalk(wanted ? {} : { level: 0 });
}
