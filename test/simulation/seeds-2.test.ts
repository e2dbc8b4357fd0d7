import { describe } from 'vitest';
import { simulate } from '../support/sim/seeds.ts';

describe('every invariant, part 2 of 4', () => {
  simulate(2, 4);
});
