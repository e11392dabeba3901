// Whatever a function of the package is called with, it answers with a result or with an error of its own, never with one of the machine's.
import fc from 'fast-check';
import * as palladia from 'palladia';
import { PalladiaError, setDefaultDevice } from 'palladia';
import * as lax from 'palladia/lax';
import * as nn from 'palladia/nn';
import * as np from 'palladia/numpy';
import * as optim from 'palladia/optim';
import * as random from 'palladia/random';
import { beforeAll, describe, expect, test } from 'vitest';

type Door = (...args: unknown[]) => unknown;

/** Functions that are no doors: they change what other tests see, or take what only rules have. */
const others = new Set(['init', 'setDefaultDevice', 'clearCaches', 'zerosOf', 'namedScope']);

const doorsOf = (entry: object): (readonly [name: string, door: Door])[] =>
  Object.entries(entry).filter(
    (pair): pair is [string, Door] =>
      typeof pair[1] === 'function' && /^[a-z]/.test(pair[0]) && !others.has(pair[0]),
  );

const matrix = np.reshape(np.arange(6), [2, 3]);
const identity = (x: unknown): unknown => x;

const argument = fc.oneof(
  fc.constantFrom<unknown>(undefined, true, 0, 1, -1, 3, 2.5, -5, 1e12, NaN, Infinity),
  fc.constantFrom<unknown>('x', 'f32', 'sum', 'toNearestEven', 'ij,jk->ik'),
  fc.constantFrom<unknown>([], [0], [1, 2], [2, 3], [[1], [0]], [['a']], [undefined]),
  fc.constantFrom<unknown>({}, { axis: 0 }, { axis: 9 }, { axis: 'a' }, { bogus: 1 }),
  fc.constantFrom<unknown>(new Map(), new Date(0), new Float32Array(3), { shape: [2] }),
  fc.constantFrom<unknown>(matrix, np.array([0, 1, 1], 'i32'), np.array([true, false])),
  fc.constantFrom<unknown>(np.array(2), np.zeros([0, 3]), [matrix, matrix], [matrix, undefined]),
  fc.constantFrom<unknown>(identity, () => matrix),
);

async function call(door: Door, args: readonly unknown[], more: readonly unknown[]): Promise<void> {
  try {
    const result = await door(...args);
    if (typeof result === 'function') await (result as Door)(...more);
  } catch (error) {
    if (!(error instanceof PalladiaError)) throw error;
    expect(error.message.length).toBeGreaterThan(20);
  }
}

for (const [entry, doors] of Object.entries({
  palladia: doorsOf(palladia),
  lax: doorsOf(lax),
  numpy: doorsOf(np),
  nn: doorsOf(nn),
  random: doorsOf(random),
  optim: doorsOf(optim),
}))
  describe(`bad arguments of ${entry}`, () => {
    beforeAll(() => setDefaultDevice('wasm'));
    test.each(doors)('%s', async (_, door) => {
      const args = fc.array(argument, { maxLength: 4 });
      const first = fc.tuple(fc.constant(matrix), args).map(([x, rest]) => [x, ...rest]);
      const law = fc.asyncProperty(fc.oneof(args, first), args, (given, more) =>
        call(door, given, more),
      );
      await fc.assert(law, { numRuns: 40 });
    });
  });
