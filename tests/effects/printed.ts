// Runs the programs of programs.ts on a device and compares what they print, and give, with what JAX printed and gave.
import { readFileSync } from 'node:fs';
import { effectsBarrier, setDefaultDevice, tree, Value, type DeviceKind } from 'palladia';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { programs } from './programs.ts';

interface Recorded {
  readonly programs: Readonly<
    Record<string, { readonly printed: readonly string[]; readonly result: readonly unknown[] }>
  >;
  readonly floats: readonly (readonly [format: string, value: number | string, text: string])[];
  readonly integers: readonly (readonly [format: string, value: number, text: string])[];
  readonly jaxpr: string;
}

/** What real JAX printed. */
export const recorded = JSON.parse(
  readFileSync(new URL('printed.json', import.meta.url), 'utf8'),
) as Recorded;

/** XLA moves unordered calls of one compiled block about; there only the lines count, not their order. */
const anyOrder: ReadonlySet<string> = new Set([
  'jit vmap',
  'callback vmap',
  'vmap cond, one way',
  'vmap while',
  'nested jit',
  'arrays',
]);

/** The lines that a program prints, and its result, once all effects have happened. */
export async function capture(
  run: () => unknown,
): Promise<{ readonly lines: string[]; readonly result: unknown }> {
  const lines: string[] = [];
  const log = vi
    .spyOn(console, 'log')
    .mockImplementation((line: string) => void lines.push(...line.split('\n')));
  try {
    const result = run();
    await effectsBarrier();
    return { lines, result };
  } finally {
    log.mockRestore();
  }
}

const numbers = async (result: unknown): Promise<number[][]> =>
  Promise.all(
    tree
      .leaves(result)
      .map(async (x) => (x instanceof Value ? Array.from(await x.data(), Number) : [])),
  );

/** One test per program. */
export function comparePrinted(
  kind: DeviceKind,
  skip: (name: string) => boolean = () => false,
): void {
  describe(kind, () => {
    beforeAll(() => setDefaultDevice(kind));
    afterAll(() => setDefaultDevice('wasm'));
    for (const [name, wanted] of Object.entries(recorded.programs))
      test.skipIf(skip(name))(name, async () => {
        const { lines, result } = await capture(programs()[name]);
        const order = (all: readonly string[]): readonly string[] =>
          anyOrder.has(name) ? all.toSorted() : all;
        expect(order(lines)).toEqual(order(wanted.printed));
        const flat = (await numbers(result)).flat();
        const expected = wanted.result.flat(4) as number[];
        expect(flat.length).toBe(expected.length);
        flat.forEach((x, i) => expect(x).toBeCloseTo(expected[i], 4));
      });
  });
}
