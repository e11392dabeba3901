/** Programs that JAX lowered and ran (recorded by record-stablehlo.py): we print its text back letter by letter and compute its results. */
import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { dtypeInfo, dtypes, type DType } from '../../core/dtype.ts';
import { LoweringError, ParseError } from '../../core/errors.ts';
import { interpretModule, type HostTensor } from '../../lowering/hlo/interpret.ts';
import { parseModule } from '../../lowering/hlo/parse.ts';
import { verifyModule } from '../../lowering/hlo/verify.ts';
import { elementsFromBytes } from '../../lowering/scalar-array.ts';
import { compareTensors } from '../conformance/stablehlo-checks.ts';

interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: string;
}

const folder = new URL('stablehlo/', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8');
const names = readdirSync(folder)
  .filter((f) => f.endsWith('.json'))
  .map((f) => f.replace('.json', ''));

const byLongName = new Map(dtypes.map((d): [string, DType] => [dtypeInfo[d].longName, d]));

function tensorOf({ dtype, shape, bytes }: Stored): HostTensor {
  const type = { dtype: byLongName.get(dtype) ?? 'f32', shape };
  return { type, data: elementsFromBytes(Uint8Array.from(Buffer.from(bytes, 'hex')), type.dtype) };
}

/** Ulps that JAX's own functions on CPU are off by, where it is more than one or two. */
const ulps: Readonly<Record<string, bigint>> = {
  elementwise: 4n,
  control: 4n,
  complex: 8n,
  random: 64n,
  reductions: 16n,
  loops: 16n,
  softmax: 4n,
  dot: 64n,
};

describe.each(names)('%s', (name) => {
  const text = read(`${name}.mlir`);

  test('prints as JAX prints it', () => {
    const module = parseModule(text);
    verifyModule(module);
    expect(module.toString()).toBe(text);
  });

  test('computes what JAX computes', () => {
    const { inputs, outputs } = JSON.parse(read(`${name}.json`)) as {
      inputs: Stored[];
      outputs: Stored[];
    };
    const results = interpretModule(parseModule(text), inputs.map(tensorOf));
    expect(results).toHaveLength(outputs.length);
    results.forEach((actual, i) => {
      const { bad, maxUlps } = compareTensors(actual, tensorOf(outputs[i]), {
        kind: 'close',
        max: ulps[name] ?? 2n,
      });
      expect(bad, `result ${i} is up to ${maxUlps} ulps off`).toBe(0);
    });
  });
});

test('donated arguments keep their aliases', () => {
  const module = parseModule(read('donation.mlir'));
  expect(module.functions[0].aliases).toEqual(new Map([[0, 0]]));
  expect(module.toString()).toBe(read('donation.mlir'));
});

test('locations are read and forgotten', () => {
  expect(parseModule(read('locations.mlir')).toString()).toBe(read('softmax.mlir'));
});

test('damaged text is refused by an error of ours, or is another program that verifies', () => {
  const texts = names
    .filter((name) => name !== 'large_constant')
    .map((name) => read(`${name}.mlir`));
  const damage = fc.tuple(
    fc.constantFrom(...texts),
    fc.nat(),
    fc.nat(40),
    fc.constantFrom(
      '',
      '%0',
      '0',
      '-1',
      '999999999999',
      '{',
      ')',
      '"',
      'tensor<0xf32>',
      'x',
      '<',
      ':',
      '@',
      '#',
      '\u0000',
    ),
  );
  fc.assert(
    fc.property(damage, ([text, at, length, insert]) => {
      const from = at % text.length;
      const damaged = text.slice(0, from) + insert + text.slice(from + length);
      try {
        verifyModule(parseModule(damaged));
      } catch (error) {
        if (!(error instanceof ParseError || error instanceof LoweringError)) throw error;
      }
    }),
    { numRuns: 1500 },
  );
});
