import { describe } from 'vitest';
import { simulate } from '../support/sim/seeds.ts';

describe('every invariant, part 4 of 4', () => {
  simulate(4, 4);
});
