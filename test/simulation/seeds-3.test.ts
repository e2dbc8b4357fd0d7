import { describe } from 'vitest';
import { simulate } from '../support/sim/seeds.ts';

describe('every invariant, part 3 of 4', () => {
  simulate(3, 4);
});
