import { describe } from 'vitest';
import { simulate } from '../support/sim/seeds.ts';

describe('every invariant, part 1 of 4', () => {
  simulate(1, 4);
});
