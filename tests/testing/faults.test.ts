/** Planted faults are found within 200 runs and shrink to little; their healthy twins pass. */
import { Program, LawError } from 'palladia/testing';
import { tree, type NDArray } from 'palladia';
import { describe, expect, test } from 'vitest';
import { faults } from './faults/index.ts';

const failure = async (promise: Promise<void>): Promise<LawError | undefined> => {
  try {
    await promise;
    return undefined;
  } catch (error) {
    if (error instanceof LawError) return error;
    throw error;
  }
};

describe('planted faults', () => {
  test('there are ten', () => expect(faults.length).toBe(10));
  for (const { name, check } of faults)
    test(name, { timeout: 120_000 }, async () => {
      const found = await failure(check('wrong', { runs: 200, seed: 20261121 }));
      expect(found, 'the fault must be found').toBeDefined();
      const smallest = found?.smallest();
      if (smallest instanceof Program) expect(smallest.equations).toBeLessThan(5);
      else {
        const sizes = tree.leaves(smallest).map((x) => (x as NDArray).size);
        expect(Math.max(...sizes)).toBeLessThanOrEqual(4);
      }
      await check('right', { runs: 30, seed: 7 });
    });
});
